//! Reserve, extend, settle: what holds on every path.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the functions beside the tests are test code too"
)]

use std::sync::{Arc, Barrier};
use witgate_ledger::{
    Amounts, Charge, Hold, Ledger, MAX_ACCOUNT_BYTES, OnShortfall, Reason, Statement, Unit,
    UnixMillis, Window,
};

const NOW: UnixMillis = UnixMillis(1_795_225_386_000);

fn charge(account: &str, unit: Unit, limit: u64, amount: u64) -> Charge {
    let (account, window) = (account.into(), Window::Day);
    Charge {
        account,
        window,
        unit,
        limit,
        amount,
        shortfall: OnShortfall::Refuse,
    }
}

fn tokens(account: &str, limit: u64, amount: u64) -> Charge {
    charge(account, Unit::Tokens, limit, amount)
}

fn overdrawn(charge: Charge) -> Charge {
    Charge {
        shortfall: OnShortfall::Overdraw,
        ..charge
    }
}

fn used(tokens: u64) -> Amounts {
    Amounts {
        tokens,
        ..Amounts::default()
    }
}

fn statement(ledger: &Ledger, account: &str) -> Statement {
    let snapshot = ledger.snapshot(NOW);
    snapshot
        .balances
        .into_iter()
        .find(|statement| &*statement.account == account)
        .expect("the account is live")
}

fn hold(ledger: &Arc<Ledger>, charge: Charge) -> Hold {
    ledger.reserve(vec![charge], NOW).expect("it fits")
}

#[test]
fn a_thousand_concurrent_requests_never_exceed_a_small_budget() {
    const THREADS: usize = 1_000;
    let ledger = Ledger::new();
    let start = Barrier::new(THREADS);
    let spent: u64 = std::thread::scope(|scope| {
        let request = || {
            start.wait();
            match ledger.reserve(
                vec![tokens("small", 100, 7), tokens("large", 1_000_000, 7)],
                NOW,
            ) {
                Ok(hold) => hold.settle(used(7)).amounts.tokens,
                Err(refused) => {
                    assert_eq!(refused.index, 0, "only the small account refuses");
                    0
                }
            }
        };
        let requests: Vec<_> = (0..THREADS).map(|_| scope.spawn(request)).collect();
        requests
            .into_iter()
            .map(|request| request.join().unwrap())
            .sum()
    });
    assert_eq!(
        spent, 98,
        "14 requests of 7 fit into 100, no more and no fewer"
    );
    assert_eq!(
        statement(&ledger, "small").used,
        98,
        "the spend is the sum of the settlements"
    );
    assert_eq!(statement(&ledger, "large").used, 98, "on every account");
    assert_eq!(ledger.totals().open_holds, 0, "nothing stays open");
    assert_eq!(
        ledger.totals().refused,
        986,
        "every other request was refused"
    );
}

#[test]
fn all_charges_are_held_or_none() {
    let ledger = Ledger::new();
    let first = hold(&ledger, tokens("a", 10, 1));
    let charges = vec![tokens("a", 10, 5), tokens("b", 4, 5), tokens("c", 4, 5)];
    let refused = ledger.reserve(charges.clone(), NOW).unwrap_err();
    assert_eq!(
        (refused.index, refused.remaining()),
        (1, 4),
        "the first that does not fit"
    );
    assert_eq!(
        refused.resets_at(),
        Window::Day.resets_at(NOW),
        "and when it may"
    );
    assert_eq!(refused.charges, charges, "the charges come back");
    assert_eq!(
        refused.to_string(),
        "charge 1, to `b`: only 4 of the limit remain",
        "the error names the account"
    );
    assert_eq!(
        statement(&ledger, "a").held,
        1,
        "the one that would have fitted holds nothing of it"
    );
    assert_eq!(
        ledger.totals().balances,
        1,
        "a refusal leaves no balance behind"
    );
    first.release();
}

#[test]
fn an_amount_fits_up_to_the_limit_and_no_further() {
    let ledger = Ledger::new();
    hold(&ledger, tokens("empty", 0, 0)).release();
    assert_eq!(
        ledger
            .reserve(vec![tokens("empty", 0, 1)], NOW)
            .unwrap_err()
            .remaining(),
        0,
        "0 is a limit"
    );
    assert_eq!(
        ledger
            .reserve(vec![tokens("new", 5, 6)], NOW)
            .unwrap_err()
            .remaining(),
        5,
        "alone it exceeds"
    );
    hold(&ledger, tokens("full", 5, 5)).settle(used(5));
    hold(&ledger, tokens("full", 5, 0)).settle(used(1));
    let refused = ledger.reserve(vec![tokens("full", 5, 0)], NOW).unwrap_err();
    assert_eq!(
        refused.remaining(),
        0,
        "an overdrawn window refuses even nothing"
    );
}

#[test]
fn charges_of_one_balance_are_added_up_and_settled_once() {
    let ledger = Ledger::new();
    let pair = |limit| {
        vec![
            tokens("a", 100, 6),
            tokens("b", 100, 1),
            tokens("a", limit, 6),
        ]
    };
    let refused = ledger.reserve(pair(11), NOW).unwrap_err();
    assert_eq!(
        (refused.index, refused.remaining()),
        (2, 11),
        "12 do not fit into the second limit"
    );
    let hold = ledger.reserve(pair(12), NOW).unwrap();
    assert_eq!(statement(&ledger, "a").held, 12, "both are held");
    hold.settle(used(9));
    assert_eq!(statement(&ledger, "a").used, 9, "what was used counts once");
}

#[test]
fn the_largest_numbers_wrap_nowhere() {
    let ledger = Ledger::new();
    let most = overdrawn(tokens("a", u64::MAX, u64::MAX));
    let holds = [(); 3].map(|()| {
        ledger
            .reserve(vec![most.clone(), most.clone()], NOW)
            .unwrap()
    });
    assert!(
        ledger.reserve(vec![tokens("a", u64::MAX, 1)], NOW).is_err(),
        "six times the most is more than the most"
    );
    let [first, second, third] = holds;
    first.settle(used(u64::MAX));
    second.settle(used(u64::MAX));
    assert!(
        ledger.reserve(vec![tokens("a", u64::MAX, 0)], NOW).is_err(),
        "so is what was used"
    );
    third.release();
    let after = statement(&ledger, "a");
    assert_eq!(
        (after.used, after.held),
        (u64::MAX, 0),
        "nothing stays held"
    );
}

#[test]
fn an_extension_is_refused_or_overdraws_as_the_charge_says() {
    let ledger = Ledger::new();
    let mut strict = ledger
        .reserve(vec![overdrawn(tokens("a", 99, 5)), tokens("b", 10, 5)], NOW)
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
    let first = ledger.reserve(vec![flight()], NOW).unwrap();
    let later = UnixMillis(NOW.0 + 3_600_000);
    assert!(
        ledger.reserve(vec![flight()], later).is_err(),
        "an hour later it is still in flight"
    );
    first.settle(Amounts {
        picousd: 5,
        tokens: 5,
        requests: 1,
    });
    ledger
        .reserve(vec![flight()], later)
        .expect("it has landed")
        .release();
}

#[test]
fn a_hold_settles_into_the_window_that_it_was_reserved_in() {
    let ledger = Ledger::new();
    let old = hold(&ledger, tokens("a", 10, 8));
    let tomorrow = Window::Day.resets_at(NOW).unwrap();
    let new = ledger
        .reserve(vec![tokens("a", 10, 9)], tomorrow)
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
        ledger.reserve(vec![tokens("a", 10, 2)], NOW).is_err(),
        "a clock set back does not bring the old day back"
    );
}

#[test]
fn memory_is_bounded_and_what_is_over_makes_room() {
    let ledger = Ledger::with_capacity(100);
    for account in 0..100 {
        hold(&ledger, tokens(&account.to_string(), 10, 1)).settle(used(1));
    }
    let refused = ledger
        .reserve(vec![overdrawn(tokens("one more", 10, 1))], NOW)
        .unwrap_err();
    assert_eq!(
        refused.reason,
        Reason::Full { capacity: 100 },
        "a full ledger says so"
    );
    hold(&ledger, tokens("7", 10, 1)).release();
    let tomorrow = Window::Day.resets_at(NOW).unwrap();
    ledger
        .reserve(vec![tokens("one more", 10, 1)], tomorrow)
        .expect("yesterday makes room")
        .release();
    let long = "x".repeat(MAX_ACCOUNT_BYTES + 1);
    let refused = ledger.reserve(vec![tokens(&long, 10, 1)], NOW).unwrap_err();
    assert_eq!(
        refused.reason,
        Reason::AccountTooLong { bytes: 1_025 },
        "names are bounded too"
    );
}

#[test]
fn accounts_that_spend_nothing_are_forgotten() {
    let ledger = Ledger::new();
    for millis in 0..1_000 {
        let now = UnixMillis(NOW.0 + millis * 1_000);
        let charge = Charge {
            window: Window::Total,
            ..tokens(&format!("made up {millis}"), 10, 1)
        };
        ledger.reserve(vec![charge], now).unwrap().release();
    }
    let balances = ledger.totals().balances;
    assert!(
        balances < 200,
        "a thousand names over a thousand seconds leave {balances}"
    );
}

#[test]
fn a_snapshot_shows_every_balance() {
    let ledger = Ledger::new();
    let holds: Vec<_> = (0..2_000)
        .map(|account| hold(&ledger, tokens(&account.to_string(), 9, 2)))
        .collect();
    let snapshot = ledger.snapshot(NOW);
    assert_eq!(snapshot.balances.len(), 2_000, "each of them");
    assert!(
        snapshot
            .balances
            .iter()
            .all(|s| (s.used, s.held, s.limit, s.holds) == (0, 2, 9, 1)),
        "as it stands"
    );
    assert_eq!(snapshot.totals.open_holds, 2_000, "all are open");
    drop(holds);
    assert_eq!(ledger.totals().open_holds, 0, "all have ended");
}
