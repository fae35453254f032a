//! Windows that slide.

use std::sync::Arc;

use witgate_ledger::{Charge, Hold, Ledger, Reason, Refused, UnixMillis, Window};

use crate::charges::{NOW, OWNER, tokens, used};

const MINUTE: u64 = 60_000;
const BUCKET: u64 = MINUTE / 20;

fn reserve(ledger: &Arc<Ledger>, amount: u64, now: UnixMillis) -> Result<Hold, Refused> {
    let window = Window::parse("last-1-minute").expect("a known code");
    let charge = Charge {
        window,
        ..tokens("alice", 10, amount)
    };
    ledger.reserve(vec![charge], OWNER, now)
}

fn spend(ledger: &Arc<Ledger>, amount: u64, now: UnixMillis) {
    let hold = reserve(ledger, amount, now).expect("it fits");
    hold.settle(used(amount));
}

fn at(millis: u64) -> UnixMillis {
    UnixMillis(NOW.0 - NOW.0 % MINUTE + millis)
}

#[test]
fn a_refusal_tells_when_enough_of_the_window_has_passed() {
    let ledger = Ledger::new();
    spend(&ledger, 4, at(0));
    spend(&ledger, 4, at(10 * BUCKET));
    let fits_at = |amount| {
        let refused = reserve(&ledger, amount, at(15 * BUCKET)).expect_err("two are left");
        assert!(
            matches!(refused.reason, Reason::Spent { remaining: 2, .. }),
            "{:?}",
            refused.reason
        );
        refused.resets_at().expect("a time")
    };
    let first = fits_at(3);
    assert_eq!(first, at(MINUTE + BUCKET), "when the first use is too old");
    assert_eq!(
        fits_at(7),
        at(MINUTE + 11 * BUCKET),
        "when both of them are"
    );
    assert!(
        reserve(&ledger, 6, UnixMillis(first.0 - 1)).is_err(),
        "no sooner"
    );
    spend(&ledger, 6, first);
}

#[test]
fn one_statement_shows_the_whole_window() {
    let ledger = Ledger::new();
    for bucket in 0..5 {
        spend(&ledger, 1, at(bucket * BUCKET));
    }
    let hold = reserve(&ledger, 3, at(7 * BUCKET)).expect("it fits");
    let balances = ledger.snapshot(at(7 * BUCKET)).balances;
    assert_eq!(balances.len(), 1, "{balances:?}");
    assert_eq!((balances[0].used, balances[0].held), (5, 3), "in all");
    assert_eq!(
        balances[0].resets_at,
        Some(at(MINUTE + 8 * BUCKET)),
        "when all is too old"
    );
    drop(hold);
    let later = ledger.snapshot(at(MINUTE + 3 * BUCKET)).balances;
    assert_eq!(later.len(), 1, "{later:?}");
    assert_eq!(later[0].used, 2, "the last two of the five");
    assert_eq!(
        ledger.snapshot(at(3 * MINUTE)).balances.len(),
        0,
        "nothing is left to show"
    );
}

#[test]
fn a_hold_that_outlives_the_window_settles_where_it_was_made() {
    let ledger = Ledger::new();
    let mut long = reserve(&ledger, 5, at(0)).expect("it fits");
    spend(&ledger, 10, at(2 * MINUTE));
    long.extend(used(9)).expect("its own window has room");
    assert!(long.extend(used(11)).is_err(), "but no more than that");
    long.settle(used(9));
    let balances = ledger.snapshot(at(2 * MINUTE)).balances;
    assert_eq!(balances.len(), 1, "{balances:?}");
    assert_eq!(balances[0].used, 10, "the window now knows nothing of it");
}

#[test]
fn an_extension_is_checked_against_the_whole_window() {
    let ledger = Ledger::new();
    spend(&ledger, 4, at(0));
    let mut hold = reserve(&ledger, 2, at(5 * BUCKET)).expect("it fits");
    spend(&ledger, 2, at(9 * BUCKET));
    hold.extend(used(4)).expect("just as much as is left");
    assert!(hold.extend(used(5)).is_err(), "one too many");
}
