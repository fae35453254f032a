//! Windows that slide, and the wait for them.

use std::time::Duration;

use super::*;

#[test]
fn a_use_counts_for_a_window_and_at_most_a_sixtieth_more() {
    for window in [Window::Minute, Window::Hour, Window::Day] {
        let capacity = Capacity::try_new(&config(&[per(window, 100)], &[])).unwrap();
        let (length, slot) = (window.millis(), window.millis() / 60);
        // In the last moment of a slot, and in the first one.
        for within in [slot - 1, 0] {
            let begin = START + 10 * length + within;
            spend(&capacity, "a", 100, begin).unwrap();
            let refused = ask(&capacity, "a", 1, begin + length - 1).unwrap_err();
            let wait = refused.retry_after.unwrap();
            let end = begin + length - 1 + u64::try_from(wait.as_millis()).unwrap();
            assert!(end >= begin + length, "not within the {window}");
            assert!(end <= begin + length + slot, "and not much later");
            ask(&capacity, "a", 1, end - 1).expect_err("a millisecond before");
            spend(&capacity, "a", 100, end).expect("then");
            // Room for the next round.
            ask(&capacity, "a", 100, START + 30 * length).ok();
        }
    }
}

#[test]
fn no_period_of_a_minute_has_more_than_the_capacity_however_windows_turn() {
    let capacity = thousand(&[]);
    let mut admitted = Vec::new();
    // Sixty and some at the end of a minute by the clock, and again at the start of the next one.
    for now in (START + 50 * SECOND..START + 130 * SECOND).step_by(170) {
        if spend(&capacity, "a", 37, now).is_ok() {
            admitted.push(now);
        }
    }
    for begin in &admitted {
        let within = admitted
            .iter()
            .filter(|at| (*begin..begin + MINUTE).contains(*at));
        let used = within.count() * 37;
        assert!(used <= 1_000, "{used} from {begin} on");
    }
    assert!(
        admitted.len() > 27,
        "some in a second minute: {}",
        admitted.len()
    );
}

#[test]
fn the_wait_is_until_enough_has_left_the_window() {
    let capacity = thousand(&[]);
    for second in 0..10 {
        spend(&capacity, "a", 100, START + second * SECOND).unwrap();
    }
    let now = START + 10 * SECOND;
    for (amount, seconds) in [(1, 51), (100, 51), (101, 52), (1_000, 60)] {
        let refused = ask(&capacity, "a", amount, now).unwrap_err();
        let wait = Duration::from_secs(seconds);
        assert_eq!(refused.retry_after, Some(wait), "for {amount}");
    }
}

#[test]
fn what_is_kept_for_others_is_waited_for_by_the_window() {
    let capacity = thousand(&[("chat", priority(2)), ("batch", priority(1))]);
    spend(&capacity, "chat", 800, START).unwrap();
    let refused = ask(&capacity, "batch", 100, START).unwrap_err();
    assert_eq!(
        refused.retry_after,
        Some(Duration::from_secs(60)),
        "its need does not end with the window"
    );
}

#[test]
fn a_long_silence_leaves_nothing() {
    let capacity = thousand(&[("chat", priority(2)), ("batch", priority(1))]);
    spend(&capacity, "chat", 900, START).unwrap();
    let later = START + 400 * 24 * HOUR;
    spend(&capacity, "batch", 1_000, later).expect("all of it");
    assert_eq!(capacity.status(later).limits[0].used, 1_000, "and no more");
}
