//! An operator takes usage off a window, and changes the limits of holds that are open.

use witgate_ledger::{Amounts, Charge, Ledger, Reason, Span, Unit, UnixMillis, Window};

use crate::charges::{NOW, OWNER, charge, hold, statement, tokens, used};

fn cleared(ledger: &Ledger, account: &str, window: Window, unit: Unit, now: UnixMillis) -> u64 {
    ledger.reset("", &account.into(), window, unit, now).used()
}

#[test]
fn a_reset_frees_the_limit_and_leaves_what_is_held() {
    let ledger = Ledger::new();
    hold(&ledger, tokens("a", 10, 1)).settle(used(8));
    let open = hold(&ledger, tokens("a", 10, 2));
    let window = tokens("a", 10, 1).window;
    assert_eq!(
        cleared(&ledger, "a", window, Unit::Tokens, NOW),
        8,
        "what was spent"
    );
    let left = statement(&ledger, "a");
    assert_eq!((left.used, left.held), (0, 2), "the open hold stays");
    open.settle(used(3));
    assert_eq!(statement(&ledger, "a").used, 3, "and is counted at its end");
    assert_eq!(
        cleared(&ledger, "b", window, Unit::Tokens, NOW),
        0,
        "an account without spending has none to take off"
    );
}

#[test]
fn a_reset_of_a_window_that_slides_frees_all_of_it() {
    let ledger = Ledger::new();
    let window = Window::Last(Span::minutes(60).unwrap());
    let sliding = |amount| Charge {
        window,
        ..charge("a", Unit::Tokens, 10, amount)
    };
    for minutes in [0, 10, 20] {
        let at = UnixMillis(NOW.0 + minutes * 60_000);
        let hold = ledger.reserve(vec![sliding(3)], OWNER, at).unwrap();
        hold.settle(used(3));
    }
    let now = UnixMillis(NOW.0 + 21 * 60_000);
    assert!(
        ledger.reserve(vec![sliding(2)], OWNER, now).is_err(),
        "nine of ten are used"
    );
    assert_eq!(
        cleared(&ledger, "a", window, Unit::Tokens, now),
        9,
        "all buckets"
    );
    let hold = ledger.reserve(vec![sliding(10)], OWNER, now);
    hold.expect("the whole limit is free").release();
}

#[test]
fn a_limit_that_was_reset_is_announced_again() {
    let ledger = Ledger::new();
    ledger.set_marks(&[100]);
    let window = tokens("a", 10, 1).window;
    let exhausted = || {
        let refused = ledger.reserve(vec![tokens("a", 10, 11)], OWNER, NOW);
        matches!(
            refused.unwrap_err().reason,
            Reason::Spent {
                exhausted: Some(_),
                ..
            }
        )
    };
    hold(&ledger, tokens("a", 10, 1)).settle(used(9));
    assert!(exhausted(), "the first refusal");
    assert!(!exhausted(), "the second one");
    cleared(&ledger, "a", window, Unit::Tokens, NOW);
    assert!(exhausted(), "the first one after the reset");
}

#[test]
fn levels_are_not_reset() {
    let ledger = Ledger::new();
    let level = charge("a", Unit::InFlight, 1, 1);
    let window = level.window;
    let open = hold(&ledger, level);
    assert_eq!(
        cleared(&ledger, "a", window, Unit::InFlight, NOW),
        0,
        "nothing of it is final"
    );
    assert_eq!(statement(&ledger, "a").held, 1, "it is in flight");
    open.release();
}

#[test]
fn a_changed_limit_applies_to_the_extensions_of_open_holds() {
    let ledger = Ledger::new();
    let mut open = hold(&ledger, tokens("a", 10, 5));
    assert!(open.extend(used(11)).is_err(), "over the limit");
    open.relimit(|_, _| 20);
    open.extend(used(15)).expect("up to the raised one");
    open.relimit(|_, _| 12);
    assert!(open.extend(used(16)).is_err(), "over the lowered one");
    assert_eq!(
        open.standings().map(|standing| standing.limit).max(),
        Some(12),
        "which it shows"
    );
    assert_eq!(
        open.settle(used(16)).overdrafts.len(),
        1,
        "and which it has passed"
    );
}

#[test]
fn a_hold_that_may_pass_its_limit_may_pass_a_changed_one() {
    let ledger = Ledger::new();
    let mut open = hold(&ledger, tokens("a", 10, 5));
    open.overdraw();
    open.relimit(|_, _| 1);
    open.extend(used(30)).expect("nothing refuses");
    open.settle(used(30));
}

#[test]
fn the_statement_of_one_account_is_that_of_its_current_window() {
    let ledger = Ledger::new();
    let month = |amount| Charge {
        window: Window::Month,
        ..charge("a", Unit::PicoUsd, 100, amount)
    };
    let open = ledger.reserve(vec![month(7)], OWNER, NOW).unwrap();
    let of = |window| ledger.statement(&"a".into(), window, Unit::PicoUsd, NOW);
    let found = of(Window::Month).expect("it is charged");
    assert_eq!((found.used, found.held, found.limit), (0, 7, 100), "it");
    assert_eq!(of(Window::Day), None, "another window");
    open.settle(Amounts {
        picousd: 4,
        ..Amounts::default()
    });
    let later = Window::Month.resets_at(NOW).expect("it ends");
    let next = ledger.statement(&"a".into(), Window::Month, Unit::PicoUsd, later);
    assert!(
        next.is_none_or(|next| next.used == 0),
        "the next month has spent nothing"
    );
}
