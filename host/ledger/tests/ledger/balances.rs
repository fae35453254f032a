//! Balances in memory: every live one, no other, and no more than the bounds allow.

use witgate_ledger::{Bounds, Charge, Ledger, MAX_ACCOUNT_BYTES, Reason, UnixMillis, Window};

use crate::charges::{NOW, OWNER, hold, overdrawn, tokens, used};

#[test]
fn memory_is_bounded_and_what_is_over_makes_room() {
    let ledger = Ledger::with_bounds(Bounds {
        accounts: 400,
        per_owner: 100,
    });
    for account in 0..100 {
        hold(&ledger, tokens(&account.to_string(), 10, 1)).settle(used(1));
    }
    let refused = ledger
        .reserve(vec![overdrawn(tokens("one more", 10, 1))], OWNER, NOW)
        .unwrap_err();
    let Reason::NoRoom(no_room) = &refused.reason else {
        panic!("a full ledger says so: {refused}");
    };
    assert_eq!(no_room.own, 100, "with what takes the room");
    hold(&ledger, tokens("7", 10, 1)).release();
    let tomorrow = Window::Day.resets_at(NOW).unwrap();
    ledger
        .reserve(vec![tokens("one more", 10, 1)], OWNER, tomorrow)
        .expect("yesterday makes room")
        .release();
    let long = "x".repeat(MAX_ACCOUNT_BYTES + 1);
    let refused = ledger
        .reserve(vec![tokens(&long, 10, 1)], OWNER, NOW)
        .unwrap_err();
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
        ledger.reserve(vec![charge], OWNER, now).unwrap().release();
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

#[test]
fn pages_show_every_balance_once_while_others_come_and_go() {
    let ledger = Ledger::new();
    let holds: Vec<_> = (0..2_000)
        .map(|account| hold(&ledger, tokens(&account.to_string(), 9, 2)))
        .collect();
    let mut seen = Vec::new();
    let mut next = Some(0);
    while let Some(start) = next {
        let page = ledger.page(start, 300, NOW);
        assert!(page.balances.len() <= 300, "a page has no more than asked");
        seen.extend(page.balances.into_iter().map(|balance| balance.account));
        next = page.next;
        hold(&ledger, tokens(&format!("made up {start}"), 9, 2)).release();
    }
    seen.retain(|account| !account.starts_with("made up"));
    let shown = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((shown, seen.len()), (2_000, 2_000), "each of them, once");
    drop(holds);
}
