//! Amounts near the largest numbers.

use witgate_capacity::MAX_AMOUNT;

use super::*;

#[test]
fn the_largest_amounts_neither_wrap_nor_panic() {
    let limits = [
        per(Window::Minute, MAX_AMOUNT),
        per(Window::Day, MAX_AMOUNT),
    ];
    let shares = [("chat", priority(2)), ("batch", priority(1))];
    let capacity = Capacity::try_new(&config(&limits, &shares)).unwrap();
    ask(&capacity, "chat", u64::MAX, START).expect_err("more than there is");
    for _ in 0..3 {
        let chat = capacity.resource("chat");
        let huge = Amounts {
            requests: u64::MAX,
            input: u64::MAX,
            output: u64::MAX,
        };
        let first = capacity.admit(chat, tokens(1), START);
        if let Ok(lease) = first {
            lease.settle(huge, START);
        }
    }
    let refused = ask(&capacity, "batch", 1, START).unwrap_err();
    assert_eq!(refused.gave_way_to(), Some("chat"), "which used it all");
    assert_eq!(
        capacity.status(START).limits[0].used,
        u64::MAX,
        "more than a page can say"
    );
    ask(&capacity, "chat", MAX_AMOUNT, START + 48 * HOUR).expect("forgotten");
}

#[test]
fn an_estimate_of_the_whole_capacity_fits_once() {
    let capacity = thousand(&[]);
    spend(&capacity, "a", 1_000, START).expect("all");
    ask(&capacity, "a", 1, START).expect_err("nothing is left");
}
