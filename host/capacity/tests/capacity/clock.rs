//! Clocks that are set.

use super::*;

#[test]
fn a_clock_that_was_set_back_does_not_stop_the_windows() {
    let capacity = thousand(&[]);
    spend(&capacity, "a", 1_000, START).unwrap();
    let back = START - 24 * HOUR;
    ask(&capacity, "a", 1, back).expect_err("it is still counted");
    ask(&capacity, "a", 1, back + 59 * SECOND).expect_err("for a minute");
    ask(&capacity, "a", 1_000, back + 61 * SECOND).expect("and not for a day");
}

#[test]
fn a_lease_from_before_the_clock_was_set_back_is_settled_where_it_belongs() {
    let capacity = thousand(&[]);
    let lease = capacity
        .admit(capacity.resource("a"), tokens(100), START)
        .unwrap();
    let back = START - HOUR;
    lease.settle(tokens(40), back);
    assert_eq!(capacity.status(back).limits[0].used, 40, "the truth");
    assert_eq!(
        capacity.status(back + 61 * SECOND).limits[0].used,
        0,
        "a minute later"
    );
}

#[test]
fn threads_that_overtake_each_other_do_not_shorten_a_window() {
    let capacity = thousand(&[]);
    spend(&capacity, "a", 1_000, START).unwrap();
    for step in 0..500 {
        let now = START + step * 100;
        ask(&capacity, "a", 1, now + 40).expect_err("the later one first");
        ask(&capacity, "a", 1, now).expect_err("the earlier one next");
    }
    ask(&capacity, "a", 1, START + 59 * SECOND).expect_err("a minute is a minute");
}

#[test]
fn a_clock_that_was_set_forward_ends_the_windows() {
    let capacity = thousand(&[]);
    spend(&capacity, "a", 1_000, START).unwrap();
    spend(&capacity, "a", 1_000, START + 24 * HOUR).expect("as after a silence");
}

#[test]
fn the_beginning_and_the_end_of_time_are_no_trap() {
    let capacity = thousand(&[]);
    for now in [0, 1, u64::MAX, 0, START, u64::MAX - 1] {
        let _ = spend(&capacity, "a", 10, now);
        let _ = capacity.status(now);
        let _ = capacity.state(now);
    }
}
