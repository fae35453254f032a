//! A hold is extended and ends once, however it ends, where it began.

use witgate_ledger::{Amounts, Charge, Ledger, Unit, UnixMillis, Window};

use crate::charges::{NOW, OWNER, charge, hold, overdrawn, statement, tokens, used};

#[test]
fn an_extension_is_refused_or_overdraws_as_the_charge_says() {
    let ledger = Ledger::new();
    let mut strict = ledger
        .reserve(
            vec![overdrawn(tokens("a", 99, 5)), tokens("b", 10, 5)],
            OWNER,
            NOW,
        )
        .unwrap();
    strict.extend(used(10)).expect("up to the limit");
    strict
        .extend(used(3))
        .expect("less than is held changes nothing");
    let refused = strict.extend(used(11)).unwrap_err();
    assert_eq!(
        (refused.index, refused.remaining()),
        (1, 0),
        "one more does not fit"
    );
    assert_eq!(statement(&ledger, "a").held, 10, "and is held nowhere");
    strict.overdraw();
    strict.extend(used(11)).expect("nothing refuses now");
    assert_eq!(ledger.totals().overdrafts, 1, "it is counted");
    let settlement = strict.settle(used(12));
    assert_eq!(
        settlement.overdrafts.len(),
        1,
        "one account is over its limit"
    );
    assert_eq!(
        (
            &*settlement.overdrafts[0].account,
            settlement.overdrafts[0].amount
        ),
        ("b", 2),
        "by two"
    );
    assert_eq!(ledger.totals().overdrafts, 1, "one hold is counted once");
}

#[test]
fn what_was_really_used_may_pass_the_limit_and_is_counted() {
    let ledger = Ledger::new();
    let settlement = hold(&ledger, tokens("a", 10, 1)).settle(used(25));
    assert_eq!(settlement.overdrafts[0].amount, 15, "over by 15");
    assert_eq!(statement(&ledger, "a").used, 25, "all of it is spent");
    assert_eq!(ledger.totals().overdrafts, 1, "and counted");
}

#[test]
fn a_dropped_hold_settles_at_its_last_extension_or_is_released() {
    let ledger = Ledger::new();
    drop(hold(&ledger, tokens("a", 100, 50)));
    assert_eq!(
        statement(&ledger, "a").used,
        0,
        "nothing was known to be used"
    );
    let mut hold = hold(&ledger, tokens("a", 100, 50));
    hold.extend(used(20)).unwrap();
    hold.extend(used(101)).unwrap_err();
    drop(hold);
    let after = statement(&ledger, "a");
    assert_eq!(
        (after.used, after.held),
        (20, 0),
        "what was extended is spent, what was reserved is not"
    );
    assert_eq!(ledger.totals().abandoned, 2, "both are counted");
}

#[test]
fn what_is_in_flight_leaves_nothing_behind_and_does_not_reset() {
    let ledger = Ledger::new();
    let flight = || Charge {
        window: Window::Minute,
        ..charge("a", Unit::InFlight, 1, 1)
    };
    let first = ledger.reserve(vec![flight()], OWNER, NOW).unwrap();
    let later = UnixMillis(NOW.0 + 3_600_000);
    assert!(
        ledger.reserve(vec![flight()], OWNER, later).is_err(),
        "an hour later it is still in flight"
    );
    first.settle(Amounts {
        picousd: 5,
        tokens: 5,
        requests: 1,
        ..Amounts::default()
    });
    ledger
        .reserve(vec![flight()], OWNER, later)
        .expect("it has landed")
        .release();
}

#[test]
fn a_hold_settles_into_the_window_that_it_was_reserved_in() {
    let ledger = Ledger::new();
    let old = hold(&ledger, tokens("a", 10, 8));
    let tomorrow = Window::Day.resets_at(NOW).unwrap();
    let new = ledger
        .reserve(vec![tokens("a", 10, 9)], OWNER, tomorrow)
        .expect("a new day");
    assert_eq!(
        ledger.totals().balances,
        2,
        "the old day is kept for its hold"
    );
    old.settle(used(8));
    assert_eq!(ledger.totals().balances, 1, "and forgotten with it");
    assert_eq!(statement(&ledger, "a").used, 0, "the new day is untouched");
    new.settle(used(9));
    assert!(
        ledger
            .reserve(vec![tokens("a", 10, 2)], OWNER, NOW)
            .is_err(),
        "a clock set back does not bring the old day back"
    );
}

#[test]
fn a_hold_in_two_parts_ends_in_two_parts() {
    let ledger = Ledger::new();
    let charges = vec![
        charge("a", Unit::InFlight, 5, 1),
        tokens("a", 100, 40),
        charge("a", Unit::Requests, 5, 1),
        charge("a", Unit::PicoUsd, 100, 30),
    ];
    let mut exchange = ledger.reserve(charges, OWNER, NOW).expect("it fits");
    let mut batch = exchange
        .split_off(&[Unit::PicoUsd, Unit::Tokens], "")
        .expect("money and tokens are held");
    assert!(
        exchange.split_off(&[Unit::PicoUsd], "").is_none(),
        "there is no money left to take out"
    );
    assert_eq!(ledger.totals().open_holds, 2, "two holds");
    let of = |unit| {
        let snapshot = ledger.snapshot(NOW);
        let balance = snapshot.balances.iter().find(|it| it.unit == unit);
        balance.map_or((0, 0), |balance| (balance.used, balance.held))
    };
    let refused = batch.extend(used(101)).unwrap_err();
    assert_eq!(
        refused.charge().map(|charge| charge.unit),
        Some(Unit::Tokens),
        "a refusal names the right charge of the part"
    );
    let one = Amounts {
        requests: 1,
        ..Amounts::default()
    };
    exchange.settle(one);
    assert_eq!((of(Unit::Requests), of(Unit::InFlight)), ((1, 0), (0, 0)));
    assert_eq!((of(Unit::Tokens), of(Unit::PicoUsd)), ((0, 40), (0, 30)));
    batch.settle(Amounts {
        picousd: 7,
        tokens: 8,
        requests: 0,
        ..Amounts::default()
    });
    assert_eq!((of(Unit::Tokens), of(Unit::PicoUsd)), ((8, 0), (7, 0)));
    assert_eq!(ledger.totals().open_holds, 0, "both have ended");
}
