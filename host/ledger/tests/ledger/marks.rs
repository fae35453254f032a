//! Parts of a limit whose crossing is reported, and what a hold knows of its limits.

use witgate_ledger::{Charge, Crossing, Ledger, OnShortfall, Reason, Window};

use crate::charges::{NOW, OWNER, hold, overdrawn, tokens, used};

fn told(crossings: &[Crossing]) -> Vec<(u8, u64, u64)> {
    let crossings = crossings.iter();
    crossings
        .map(|crossing| (crossing.percent, crossing.used, crossing.limit))
        .collect()
}

#[test]
fn a_mark_is_crossed_once_in_a_window_by_what_was_used() {
    let ledger = Ledger::new();
    ledger.set_marks(&[90, 75, 100]);
    let spend = |amount| {
        let settled = hold(&ledger, overdrawn(tokens("a", 100, 60))).settle(used(amount));
        told(&settled.crossings)
    };
    assert_eq!(spend(74), [], "one below the first mark, whatever was held");
    assert_eq!(spend(1), [(75, 75, 100)], "exactly at it");
    assert_eq!(spend(5), [], "between two marks");
    assert_eq!(
        spend(30),
        [(90, 110, 100), (100, 110, 100)],
        "over two at once"
    );
    assert_eq!(spend(500), [], "no mark is above the limit");
    let tomorrow = Window::Day.resets_at(NOW).expect("a day ends");
    let charges = vec![tokens("a", 100, 1)];
    let next = ledger.reserve(charges, OWNER, tomorrow).expect("a new day");
    assert_eq!(
        told(&next.settle(used(80)).crossings),
        [(75, 80, 100)],
        "a new window begins anew"
    );
}

#[test]
fn without_marks_nothing_is_reported() {
    let ledger = Ledger::new();
    let settled = hold(&ledger, tokens("a", 10, 1)).settle(used(10));
    assert_eq!(told(&settled.crossings), [], "no mark was set");
}

#[test]
fn the_first_refusal_of_a_window_announces_it_and_a_raised_limit_may_be_announced_again() {
    let ledger = Ledger::new();
    ledger.set_marks(&[100]);
    let refused = |limit| {
        let charges = vec![tokens("a", limit, 50)];
        let refused = ledger.reserve(charges, OWNER, NOW).expect_err("too much");
        let Reason::Spent { exhausted, .. } = refused.reason else {
            panic!("{refused}");
        };
        exhausted.map(|crossing| (crossing.percent, crossing.used))
    };
    hold(&ledger, tokens("a", 100, 60)).release();
    let _spent = hold(&ledger, tokens("a", 100, 60)).settle(used(60));
    assert_eq!(refused(100), Some((100, 60)), "the first one");
    assert_eq!(refused(100), None, "the second one");
    assert_eq!(refused(105), Some((100, 60)), "under a higher limit");
    assert_eq!(refused(100), None, "back under the first one");
    let mut held = hold(&ledger, tokens("a", 100, 10));
    let refused = held.extend(used(90)).expect_err("over the limit");
    assert!(
        matches!(
            refused.reason,
            Reason::Spent {
                exhausted: None,
                ..
            }
        ),
        "an extension announces nothing: {refused}"
    );
    held.release();
    let settled = hold(&ledger, overdrawn(tokens("a", 100, 1))).settle(used(50));
    assert_eq!(told(&settled.crossings), [], "it was announced already");
}

#[test]
fn a_hold_that_may_finish_is_refused_at_first_and_never_later() {
    let ledger = Ledger::new();
    let finishing = |amount| Charge {
        shortfall: OnShortfall::Finish,
        ..tokens("a", 10, amount)
    };
    let refused = ledger.reserve(vec![finishing(11)], OWNER, NOW);
    assert!(refused.is_err(), "it does not fit");
    let mut hold = hold(&ledger, finishing(5));
    hold.extend(used(25)).expect("it goes on");
    assert_eq!(ledger.totals().overdrafts, 1, "and is counted");
    hold.settle(used(25));
}

#[test]
fn a_hold_knows_what_was_used_before_it() {
    let ledger = Ledger::new();
    hold(&ledger, tokens("a", 100, 50)).settle(used(30));
    let _other = hold(&ledger, tokens("a", 100, 20));
    let hold = hold(&ledger, tokens("a", 100, 5));
    let standings: Vec<_> = hold
        .standings()
        .map(|standing| (&*standing.charge.account, standing.used, standing.limit))
        .collect();
    assert_eq!(
        standings,
        [("a", 30, 100)],
        "reservations of open holds are not usage"
    );
    hold.release();
}
