//! A clock that was set while no process ran.

use witgate_ledger::{Ledger, Unit, UnixMillis, Window};

use crate::disk::Memory;
use crate::work::{NOW, amounts, charge, options, read_back};

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

/// The spending of an account, and the end of its period, after a restart at `restart`, of 10 that were spent at `spent`.
fn spent_after(
    window: Window,
    spent: UnixMillis,
    restart: UnixMillis,
) -> (u64, Option<UnixMillis>) {
    let disk = Memory::default();
    let ledger = Ledger::new();
    let log = witgate_journal::Log::begin(&ledger, Box::new(disk.clone()), 0, options()).unwrap();
    let charges = vec![charge("a", window, Unit::PicoUsd, 1)];
    let hold = ledger.reserve(charges, "acme", spent).unwrap();
    hold.settle(amounts(10));
    log.write().unwrap();
    let after = Ledger::new();
    after.inherit(&read_back(&disk.after_kill()).export(restart), restart);
    let hold = after.reserve(vec![charge("a", window, Unit::PicoUsd, 0)], "acme", restart);
    let snapshot = after.snapshot(restart);
    let balance = snapshot
        .balances
        .iter()
        .find(|balance| balance.resets_at.is_none_or(|end| end > restart));
    let found = balance.map_or((0, None), |balance| (balance.used, balance.resets_at));
    drop(hold);
    found
}

#[test]
fn a_clock_that_is_set_back_grants_no_budget_twice() {
    let end = Window::Day.resets_at(NOW);
    for back in [0, 1_000, DAY / 2, DAY] {
        let restart = UnixMillis(NOW.0 - back);
        assert_eq!(
            spent_after(Window::Day, NOW, restart),
            (10, end),
            "{back} ms back: the period goes on to its end"
        );
    }
}

#[test]
fn a_clock_that_goes_on_starts_the_next_period() {
    let tomorrow = UnixMillis(NOW.0 + DAY);
    assert_eq!(spent_after(Window::Day, NOW, tomorrow).0, 0, "a day later");
    assert_eq!(
        spent_after(Window::Month, NOW, tomorrow).0,
        10,
        "the same month"
    );
    assert_eq!(spent_after(Window::Total, NOW, tomorrow).0, 10, "for ever");
}

#[test]
fn a_period_that_a_clock_far_ahead_began_ends_with_the_next_one() {
    let ahead = UnixMillis(NOW.0 + 3_650 * DAY);
    for window in [Window::Minute, Window::Hour, Window::Day, Window::Month] {
        let next = window.resets_at(window.resets_at(NOW).unwrap());
        assert_eq!(
            spent_after(window, ahead, NOW),
            (10, next),
            "{window:?}: it is spent, and not for ten years"
        );
    }
}
