//! Every owner has room of its own: what one makes up costs no other.

use std::sync::Arc;

use witgate_ledger::{
    Bound, Bounds, Charge, Hold, Ledger, NoRoom, Reason, Refused, UnixMillis, Window,
};

use crate::charges::{NOW, tokens, used};

const BOUNDS: Bounds = Bounds {
    accounts: 1_000,
    per_owner: 100,
};

fn charge(account: &str, window: Window) -> Charge {
    Charge {
        window,
        ..tokens(account, 10, 1)
    }
}

fn reserve(
    ledger: &Arc<Ledger>,
    owner: &str,
    account: &str,
    window: Window,
) -> Result<Hold, Refused> {
    ledger.reserve(vec![charge(account, window)], owner, NOW)
}

/// Spends on as many made-up accounts as there is room for. Says how many, and why there were no more.
fn fill(ledger: &Arc<Ledger>, owner: &str, window: Window) -> (usize, NoRoom) {
    for count in 0..10_000 {
        match reserve(ledger, owner, &format!("{owner}:{count}"), window) {
            Ok(hold) => drop(hold.settle(used(1))),
            Err(refused) => match refused.reason {
                Reason::NoRoom(no_room) => return (count, no_room),
                other => panic!("{other}"),
            },
        }
    }
    panic!("there is an end to every room");
}

#[test]
fn an_owner_who_makes_up_accounts_uses_up_its_own_room_only() {
    let ledger = Ledger::with_bounds(BOUNDS);
    let (count, no_room) = fill(&ledger, "hog", Window::Day);
    assert_eq!(count, 100, "as many as an owner may have");
    assert_eq!(
        (no_room.bound, no_room.own, no_room.frees_at),
        (Bound::Owner, 100, Window::Day.resets_at(NOW)),
        "and it is said why, and until when"
    );
    reserve(&ledger, "hog", "hog:7", Window::Day)
        .expect("accounts that it has already go on")
        .release();
    let (count, _) = fill(&ledger, "other", Window::Day);
    assert_eq!(count, 100, "another owner has all of its room");
    assert_eq!(ledger.totals().turned_away, 2, "it is counted");
}

#[test]
fn many_owners_together_leave_room_for_one_more() {
    let ledger = Ledger::with_bounds(BOUNDS);
    for hog in 0..40 {
        fill(&ledger, &format!("hog {hog}"), Window::Total);
    }
    let (count, no_room) = fill(&ledger, "late", Window::Day);
    assert!(count > 0, "there is room: {no_room}");
    assert_eq!(no_room.bound, Bound::Ledger, "less than its own bound");
    assert!(
        ledger.totals().balances <= BOUNDS.accounts,
        "no more than there may be"
    );
}

#[test]
fn what_is_over_and_what_nothing_was_spent_on_makes_room_at_once() {
    let ledger = Ledger::with_bounds(BOUNDS);
    for count in 0..10_000 {
        reserve(&ledger, "a", &format!("unspent {count}"), Window::Total)
            .expect("what nothing was spent on takes no room")
            .release();
    }
    fill(&ledger, "a", Window::Day);
    let tomorrow = Window::Day.resets_at(NOW).unwrap();
    for count in 0..100 {
        let charges = vec![charge(&format!("new {count}"), Window::Day)];
        ledger
            .reserve(charges, "a", tomorrow)
            .expect("all of yesterday makes room, not a part of it")
            .settle(used(1));
    }
}

#[test]
fn what_was_spent_for_ever_is_never_forgotten_for_room() {
    let ledger = Ledger::with_bounds(BOUNDS);
    let (_, no_room) = fill(&ledger, "a", Window::Total);
    assert_eq!(no_room.frees_at, None, "nothing frees it by itself");
    let later = UnixMillis(NOW.0 + 400 * 86_400_000);
    let more = vec![charge("more", Window::Total)];
    assert!(
        ledger.reserve(more, "a", later).is_err(),
        "a year later it still counts"
    );
    let spent = Charge {
        limit: 1,
        ..charge("a:0", Window::Total)
    };
    let refused = ledger.reserve(vec![spent], "a", later).unwrap_err();
    assert!(
        matches!(refused.reason, Reason::Spent { remaining: 0, .. }),
        "and so does what was spent on it: {refused}"
    );
}

#[test]
fn an_account_that_stopped_counting_is_the_next_owners_who_is_charged() {
    let ledger = Ledger::with_bounds(BOUNDS);
    reserve(&ledger, "a", "shared", Window::Day)
        .unwrap()
        .release();
    let held = reserve(&ledger, "b", "shared", Window::Day).unwrap();
    let owner = |ledger: &Ledger| ledger.snapshot(NOW).balances[0].owner.to_string();
    assert_eq!(owner(&ledger), "b", "the one who asked last");
    let also = reserve(&ledger, "a", "shared", Window::Day).unwrap();
    assert_eq!(owner(&ledger), "b", "while it counts it stays where it is");
    held.settle(used(1));
    drop(also);
}

#[test]
fn bounds_can_be_changed_while_balances_are_there() {
    let ledger = Ledger::with_bounds(BOUNDS);
    fill(&ledger, "a", Window::Total);
    ledger.set_bounds(Bounds {
        per_owner: 110,
        ..BOUNDS
    });
    let (count, no_room) = fill(&ledger, "a", Window::Minute);
    assert_eq!(
        (count, no_room.own),
        (10, 110),
        "there is room for ten more"
    );
    ledger.set_bounds(Bounds {
        accounts: 50,
        per_owner: 50,
    });
    assert_eq!(ledger.totals().balances, 110, "what is there stays");
    reserve(&ledger, "a", "a:5", Window::Total)
        .expect("and goes on")
        .release();
    let refused = reserve(&ledger, "b", "b", Window::Day).unwrap_err();
    assert!(
        matches!(&refused.reason, Reason::NoRoom(no_room) if no_room.bound == Bound::Ledger),
        "nothing is free: {refused}"
    );
}
