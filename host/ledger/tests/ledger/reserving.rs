//! Reservations: charges that fit every limit are held; others are refused and hold nothing.

use std::sync::Barrier;

use witgate_ledger::{Ledger, Window};

use crate::charges::{NOW, OWNER, hold, overdrawn, statement, tokens, used};

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
                OWNER,
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
    let refused = ledger.reserve(charges.clone(), OWNER, NOW).unwrap_err();
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
            .reserve(vec![tokens("empty", 0, 1)], OWNER, NOW)
            .unwrap_err()
            .remaining(),
        0,
        "0 is a limit"
    );
    assert_eq!(
        ledger
            .reserve(vec![tokens("new", 5, 6)], OWNER, NOW)
            .unwrap_err()
            .remaining(),
        5,
        "alone it exceeds"
    );
    hold(&ledger, tokens("full", 5, 5)).settle(used(5));
    hold(&ledger, tokens("full", 5, 0)).settle(used(1));
    let refused = ledger
        .reserve(vec![tokens("full", 5, 0)], OWNER, NOW)
        .unwrap_err();
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
    let refused = ledger.reserve(pair(11), OWNER, NOW).unwrap_err();
    assert_eq!(
        (refused.index, refused.remaining()),
        (2, 11),
        "12 do not fit into the second limit"
    );
    let hold = ledger.reserve(pair(12), OWNER, NOW).unwrap();
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
            .reserve(vec![most.clone(), most.clone()], OWNER, NOW)
            .unwrap()
    });
    assert!(
        ledger
            .reserve(vec![tokens("a", u64::MAX, 1)], OWNER, NOW)
            .is_err(),
        "six times the most is more than the most"
    );
    let [first, second, third] = holds;
    first.settle(used(u64::MAX));
    second.settle(used(u64::MAX));
    assert!(
        ledger
            .reserve(vec![tokens("a", u64::MAX, 0)], OWNER, NOW)
            .is_err(),
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
