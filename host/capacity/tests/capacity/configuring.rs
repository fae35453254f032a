//! Mistakes in configurations.

use witgate_capacity::{MAX_AMOUNT, MAX_RESOURCES, Problem};

use super::*;

#[test]
fn all_mistakes_are_reported_at_once() {
    let floor = |floor, ceiling| Terms {
        priority: 0,
        floor: percent(floor),
        ceiling: percent(ceiling),
    };
    let limits = [
        per(Window::Minute, 0),
        per(Window::Minute, 5),
        per(Window::Day, MAX_AMOUNT + 1),
    ];
    let shares = [
        ("a", floor(70, 60)),
        ("a", floor(30, 100)),
        ("b", floor(1, 2)),
        ("*", floor(0, 0)),
    ];
    let problems = config(&limits, &shares).problems();
    let texts: Vec<String> = problems.iter().map(Problem::to_string).collect();
    let expected = [
        "the limit of tokens per minute must be from 1 to 9007199254740992, and is 0",
        "there are two limits of tokens per minute",
        "the limit of tokens per day must be from 1 to 9007199254740992, and is 9007199254740993",
        "the resource `a` has terms already",
        "the resource `*` has terms already",
        "the resource `a` has a floor of 70% above its ceiling of 60%",
        "the floors add up to 101%, and there is no more than 100%",
    ];
    assert_eq!(texts, expected, "in the order of the configuration");
    let refused = Capacity::try_new(&config(&limits, &shares)).unwrap_err();
    assert_eq!(refused, problems, "and nothing is made of it");
}

#[test]
fn there_are_at_most_so_many_resources() {
    let names: Vec<String> = (0..=MAX_RESOURCES).map(|n| format!("r{n}")).collect();
    let shares: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), priority(1)))
        .collect();
    let problems = config(&[], &shares).problems();
    assert_eq!(problems, [Problem::TooMany(257)], "one more");
    assert_eq!(config(&[], &shares[1..]).problems(), [], "as many");
}

#[test]
fn a_part_is_at_most_the_whole() {
    assert!(Percent::try_new(100).is_some(), "the whole");
    assert_eq!(Percent::try_new(101), None, "more");
}

#[test]
fn the_texts_of_refusals_say_what_and_who() {
    let limited = Terms {
        priority: 1,
        floor: None,
        ceiling: percent(50),
    };
    let capacity = thousand(&[("chat", priority(2)), ("batch", limited)]);
    let text = |amount| {
        ask(&capacity, "batch", amount, START)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        text(501),
        "the request needs 501 tokens, and the resource `batch` may use 500 per minute",
        "too large"
    );
    spend(&capacity, "batch", 300, START).unwrap();
    assert_eq!(
        text(300),
        "the resource `batch` has used its part of the tokens per minute, which is 500",
        "its ceiling"
    );
    spend(&capacity, "chat", 600, START).unwrap();
    assert_eq!(
        text(150),
        "of its 1000 tokens per minute the rest is kept for the resource `chat`, which the resource `batch` gives way to",
        "given way"
    );
    let refused = ask(&capacity, "batch", 150, START).unwrap_err();
    assert_eq!(
        refused.without_others().to_string(),
        "of its 1000 tokens per minute the rest is kept for others, which the resource `batch` gives way to",
        "without the name"
    );
    let refused = ask(&capacity, "chat", 150, START).unwrap_err();
    assert_eq!(
        refused.without_others().to_string(),
        refused.to_string(),
        "there is no other to name"
    );
    assert_eq!(
        refused.to_string(),
        "its 1000 tokens per minute are used",
        "used"
    );
}
