//! Terms: priorities, floors and ceilings.

use std::time::Duration;

use super::*;

#[test]
fn what_an_important_resource_used_lately_is_kept_free_with_half_as_much_again() {
    let capacity = thousand(&[("chat", priority(2)), ("batch", priority(1))]);
    spend(&capacity, "chat", 400, START).unwrap();
    // Two minutes later nothing of it is left, but it is remembered.
    let later = START + 2 * MINUTE;
    ask(&capacity, "batch", 400, later).expect("the rest");
    let refused = ask(&capacity, "batch", 401, later).unwrap_err();
    assert_eq!(refused.gave_way_to(), Some("chat"), "named: {refused:?}");
    assert_eq!(&*refused.resource, "batch", "who was refused");
    ask(&capacity, "chat", 1_000, later).expect("nothing is kept from the important one");
}

#[test]
fn what_nobody_more_important_needs_may_be_borrowed() {
    let capacity = thousand(&[("chat", priority(2)), ("batch", priority(1))]);
    spend(&capacity, "batch", 1_000, START).expect("all of it");
    let refused = ask(&capacity, "batch", 1, START).unwrap_err();
    assert_eq!(refused.gave_way_to(), None, "it used all by itself");
}

#[test]
fn a_resource_that_used_it_all_is_who_was_given_way_to() {
    let capacity = thousand(&[("chat", priority(2)), ("batch", priority(1))]);
    spend(&capacity, "chat", 1_000, START).unwrap();
    let refused = ask(&capacity, "batch", 1, START).unwrap_err();
    assert_eq!(
        refused.gave_way_to(),
        Some("chat"),
        "the more important one"
    );
    let refused = ask(&capacity, "chat", 1, START).unwrap_err();
    assert_eq!(refused.gave_way_to(), None, "gives way to nobody");
}

#[test]
fn of_several_the_one_with_the_largest_amount_is_named() {
    let shares = [
        ("chat", priority(3)),
        ("search", priority(2)),
        ("batch", priority(1)),
    ];
    let capacity = thousand(&shares);
    spend(&capacity, "chat", 200, START).unwrap();
    spend(&capacity, "search", 300, START).unwrap();
    let refused = ask(&capacity, "batch", 400, START).unwrap_err();
    assert_eq!(refused.gave_way_to(), Some("search"), "450 against 300");
    let refused = ask(&capacity, "search", 500, START).unwrap_err();
    assert_eq!(
        refused.gave_way_to(),
        Some("chat"),
        "it alone is more important"
    );
    ask(&capacity, "search", 400, START).expect("all but what chat needs");
}

#[test]
fn equal_priorities_take_what_comes_first() {
    let capacity = thousand(&[("a", priority(1)), ("b", priority(1))]);
    spend(&capacity, "a", 300, START).unwrap();
    let later = START + 2 * MINUTE;
    spend(&capacity, "b", 1_000, later).expect("nothing is kept from an equal");
    let refused = ask(&capacity, "a", 1, later).unwrap_err();
    assert_eq!(refused.gave_way_to(), None, "no one comes before it");
}

#[test]
fn a_single_resource_has_everything() {
    let capacity = thousand(&[("chat", priority(9))]);
    spend(&capacity, "chat", 400, START).unwrap();
    spend(&capacity, "chat", 600, START).expect("its own need is no bar");
    ask(&capacity, "chat", 1, START).expect_err("no more than there is");
}

#[test]
fn a_floor_is_kept_free_from_everyone_though_nothing_was_ever_used() {
    let floor = Terms {
        priority: 1,
        floor: percent(30),
        ceiling: None,
    };
    let capacity = thousand(&[("batch", floor), ("chat", priority(2))]);
    spend(&capacity, "chat", 700, START).unwrap();
    let refused = ask(&capacity, "chat", 1, START).unwrap_err();
    assert_eq!(refused.gave_way_to(), Some("batch"), "to its floor");
    spend(&capacity, "batch", 300, START).expect("its floor");
}

#[test]
fn a_floor_is_there_whatever_more_important_ones_need() {
    let floor = Terms {
        priority: 1,
        floor: percent(10),
        ceiling: None,
    };
    let capacity = thousand(&[("batch", floor), ("chat", priority(2))]);
    spend(&capacity, "chat", 900, START).unwrap();
    let later = START + 2 * MINUTE;
    // Chat needs all of it again.
    spend(&capacity, "batch", 100, later).expect("within its floor");
    let refused = ask(&capacity, "batch", 1, later).unwrap_err();
    assert_eq!(refused.gave_way_to(), Some("chat"), "beyond its floor");
}

#[test]
fn a_ceiling_holds_though_there_is_room() {
    let ceiling = Terms {
        priority: 1,
        floor: None,
        ceiling: percent(20),
    };
    let capacity = thousand(&[("batch", ceiling)]);
    spend(&capacity, "batch", 150, START).unwrap();
    let refused = ask(&capacity, "batch", 51, START).unwrap_err();
    assert_eq!(refused.cause, Cause::Ceiling { most: 200 }, "its own");
    let refused = ask(&capacity, "batch", 201, START).unwrap_err();
    let too_large = Cause::TooLarge {
        asked: 201,
        most: 200,
    };
    assert_eq!(refused.cause, too_large, "never");
    assert_eq!(refused.retry_after, None, "no wait would help");
    spend(&capacity, "batch", 50, START).expect("up to it");
}

#[test]
fn a_need_beyond_the_ceiling_is_not_kept() {
    let ceiling = Terms {
        priority: 2,
        floor: None,
        ceiling: percent(40),
    };
    let capacity = thousand(&[("chat", ceiling), ("batch", priority(1))]);
    spend(&capacity, "chat", 400, START).unwrap();
    ask(&capacity, "batch", 600, START + 2 * MINUTE).expect("all but 40%");
}

#[test]
fn a_request_that_floors_never_leave_room_for_is_too_large() {
    let floor = Terms {
        priority: 1,
        floor: percent(60),
        ceiling: None,
    };
    let capacity = thousand(&[("chat", floor), ("batch", priority(1))]);
    let refused = ask(&capacity, "batch", 401, START).unwrap_err();
    assert_eq!(refused.retry_after, None, "no wait would help: {refused}");
    ask(&capacity, "batch", 400, START).expect("beside the floor");
}

#[test]
fn names_without_terms_share_one() {
    let mut config = config(&[per(Window::Minute, 1_000)], &[("chat", priority(1))]);
    config.others.ceiling = percent(10);
    let capacity = Capacity::try_new(&config).unwrap();
    spend(&capacity, "made-up-1", 60, START).unwrap();
    let refused = spend(&capacity, "made-up-2", 60, START).unwrap_err();
    assert_eq!(refused.cause, Cause::Ceiling { most: 100 }, "together");
    assert_eq!(&*refused.resource, "*", "by no name that a caller made up");
    assert_eq!(
        capacity.resource("made-up-1"),
        capacity.resource("*"),
        "nothing is kept for a name"
    );
}

#[test]
fn all_limits_admit_a_request_or_none_counts_it() {
    let requests = Limit {
        unit: Unit::Requests,
        window: Window::Hour,
        amount: 2,
    };
    let config = config(&[per(Window::Minute, 1_000), requests], &[]);
    let capacity = Capacity::try_new(&config).unwrap();
    spend(&capacity, "a", 100, START).unwrap();
    spend(&capacity, "a", 100, START).unwrap();
    let refused = ask(&capacity, "a", 100, START).unwrap_err();
    assert_eq!(refused.limit, requests, "the third in an hour");
    let used: Vec<u64> = capacity
        .status(START)
        .limits
        .iter()
        .map(|limit| limit.used)
        .collect();
    assert_eq!(used, [200, 2], "the refused one is in neither");
}

#[test]
fn of_several_limits_the_one_with_the_longest_wait_is_named() {
    let limits = [per(Window::Minute, 1_000), per(Window::Hour, 1_000)];
    let capacity = Capacity::try_new(&config(&limits, &[])).unwrap();
    spend(&capacity, "a", 1_000, START).unwrap();
    let refused = ask(&capacity, "a", 1, START).unwrap_err();
    assert_eq!(
        refused.limit.window,
        Window::Hour,
        "the minute is over before"
    );
    let wait = Duration::from_millis(HOUR + MINUTE);
    assert_eq!(refused.retry_after, Some(wait), "an hour and its sixtieth");
}

#[test]
fn a_request_without_an_amount_in_a_unit_needs_no_room_in_it() {
    let capacity = thousand(&[]);
    spend(&capacity, "a", 1_000, START).unwrap();
    ask(&capacity, "a", 0, START).expect("a count of tokens uses none");
}

#[test]
fn without_limits_everything_is_admitted() {
    let capacity = Capacity::try_new(&Config::default()).unwrap();
    ask(&capacity, "a", u64::MAX, START).expect("no limit");
}

#[test]
fn input_and_output_may_have_limits_of_their_own() {
    let limit = |unit, amount| Limit {
        unit,
        window: Window::Minute,
        amount,
    };
    let limits = [limit(Unit::InputTokens, 100), limit(Unit::OutputTokens, 10)];
    let capacity = Capacity::try_new(&config(&limits, &[])).unwrap();
    let asked = |input, output| {
        let amounts = Amounts {
            requests: 1,
            input,
            output,
        };
        let admitted = capacity.admit(capacity.resource("a"), amounts, START);
        admitted.map(drop).map_err(|refused| refused.limit.unit)
    };
    assert_eq!(asked(100, 10), Ok(()), "both fit");
    assert_eq!(asked(101, 10), Err(Unit::InputTokens), "input");
    assert_eq!(asked(100, 11), Err(Unit::OutputTokens), "output");
}

#[test]
fn decisions_are_counted_by_resource() {
    let capacity = thousand(&[("chat", priority(2)), ("batch", priority(1))]);
    spend(&capacity, "chat", 800, START).unwrap();
    ask(&capacity, "batch", 100, START).unwrap_err();
    ask(&capacity, "batch", 100, START).unwrap_err();
    let tallies = capacity.status(START).tallies;
    let of = |name: &str| {
        tallies
            .iter()
            .find(|(other, _)| &**other == name)
            .unwrap()
            .1
    };
    assert_eq!(of("chat").admitted, 1, "chat");
    assert_eq!(of("chat").given_way, 2, "in its favour");
    assert_eq!(of("batch").refused, 2, "batch");
}
