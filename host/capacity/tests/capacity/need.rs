//! The estimate of what a resource needs.

use super::*;

fn need(capacity: &Arc<Capacity>, name: &str, now: u64) -> u64 {
    let shares = capacity.status(now).limits[0].shares.clone();
    let share = shares.iter().find(|share| &*share.resource == name);
    share.unwrap().need
}

#[test]
fn a_need_holds_for_fifteen_minutes_and_fades_over_the_next_fifteen() {
    let capacity = thousand(&[("chat", priority(2))]);
    spend(&capacity, "chat", 400, START).unwrap();
    let after = |minutes: u64| need(&capacity, "chat", START + minutes * MINUTE);
    let needs = [0, 1, 15, 16, 20, 29, 30].map(after);
    assert_eq!(needs, [600, 600, 600, 561, 401, 41, 0], "minutes later");
}

#[test]
fn needs_of_hours_and_days_are_remembered_for_three_and_two_of_them() {
    for (window, needs) in [
        (Window::Hour, [600, 600, 300, 0]),
        (Window::Day, [600, 600, 0, 0]),
    ] {
        let config = config(&[per(window, 1_000)], &[("chat", priority(2))]);
        let capacity = Capacity::try_new(&config).unwrap();
        spend(&capacity, "chat", 400, START).unwrap();
        let after = |windows: u64| need(&capacity, "chat", START + windows * window.millis());
        assert_eq!([0, 1, 2, 3].map(after), needs, "{window}s later");
    }
}

#[test]
fn the_largest_of_several_uses_counts() {
    let capacity = thousand(&[("chat", priority(2))]);
    for (minute, amount) in [(0, 100), (2, 400), (4, 200)] {
        spend(&capacity, "chat", amount, START + minute * MINUTE).unwrap();
    }
    assert_eq!(
        need(&capacity, "chat", START + 6 * MINUTE),
        600,
        "of the second"
    );
    // The second one is 22 minutes old and has faded to 214, the third one 20 minutes, to 134.
    assert_eq!(need(&capacity, "chat", START + 24 * MINUTE), 321, "faded");
}

#[test]
fn what_becomes_free_is_kept_for_an_important_request_that_was_refused() {
    let capacity = thousand(&[("chat", priority(2)), ("batch", priority(1))]);
    for second in 0..10 {
        spend(&capacity, "batch", 100, START + second * SECOND).unwrap();
    }
    let now = START + 10 * SECOND;
    let refused = ask(&capacity, "chat", 300, now).unwrap_err();
    assert_eq!(
        refused.gave_way_to(),
        None,
        "to nobody: it was borrowed before"
    );
    // The first two hundred are free.
    let later = START + 62 * SECOND;
    let refused = ask(&capacity, "batch", 100, later).unwrap_err();
    assert_eq!(refused.gave_way_to(), Some("chat"), "which waits for them");
    spend(&capacity, "chat", 300, START + 63 * SECOND).expect("after 53 seconds, as it was told");
}

#[test]
fn a_refused_request_that_does_not_come_again_is_waited_for_a_minute() {
    let capacity = thousand(&[("chat", priority(2)), ("batch", priority(1))]);
    spend(&capacity, "batch", 1_000, START).unwrap();
    ask(&capacity, "chat", 900, START + SECOND).unwrap_err();
    assert_eq!(
        need(&capacity, "chat", START + 60 * SECOND),
        900,
        "within it"
    );
    assert_eq!(need(&capacity, "chat", START + 61 * SECOND), 0, "after it");
}

#[test]
fn a_request_that_can_never_fit_is_not_waited_for() {
    let capacity = thousand(&[("chat", priority(2)), ("batch", priority(1))]);
    ask(&capacity, "chat", 1_001, START).unwrap_err();
    ask(&capacity, "batch", 1_000, START).expect("nothing is kept");
}
