//! Leases that end, in time and late.

use super::*;

fn used(capacity: &Arc<Capacity>, now: u64) -> u64 {
    capacity.status(now).limits[0].used
}

#[test]
fn a_settled_request_counts_with_what_it_used() {
    for actual in [0, 30, 100, 250] {
        let capacity = thousand(&[]);
        let lease = capacity
            .admit(capacity.resource("a"), tokens(100), START)
            .unwrap();
        assert_eq!(used(&capacity, START), 100, "the estimate until then");
        lease.settle(tokens(actual), START + 10 * SECOND);
        assert_eq!(
            used(&capacity, START + 10 * SECOND),
            actual,
            "then the truth"
        );
        assert_eq!(
            used(&capacity, START + 61 * SECOND),
            0,
            "from its beginning on"
        );
    }
}

#[test]
fn a_request_that_was_not_sent_gives_everything_back() {
    let capacity = thousand(&[]);
    let lease = capacity
        .admit(capacity.resource("a"), tokens(100), START)
        .unwrap();
    drop(lease);
    assert_eq!(used(&capacity, START), 0, "cancelled");
}

#[test]
fn a_request_that_was_sent_and_never_settled_counts_with_its_estimate() {
    let capacity = thousand(&[]);
    let mut lease = capacity
        .admit(capacity.resource("a"), tokens(100), START)
        .unwrap();
    lease.sent();
    drop(lease);
    assert_eq!(used(&capacity, START), 100, "nobody knows better");
}

#[test]
fn after_the_window_an_excess_counts_at_once_and_a_rest_no_more() {
    let capacity = thousand(&[]);
    let admit = || {
        capacity
            .admit(capacity.resource("a"), tokens(100), START)
            .unwrap()
    };
    let (more, less) = (admit(), admit());
    let later = START + 5 * MINUTE;
    less.settle(tokens(10), later);
    assert_eq!(used(&capacity, later), 0, "it left the window before");
    more.settle(tokens(130), later);
    assert_eq!(used(&capacity, later), 30, "beyond the estimate");
    assert_eq!(used(&capacity, later + 61 * SECOND), 0, "for a minute");
}

#[test]
fn a_request_that_was_cancelled_after_its_window_takes_nothing_from_others() {
    let capacity = thousand(&[]);
    let lease = capacity
        .admit(capacity.resource("a"), tokens(100), START)
        .unwrap();
    // 61 slots later, in the very place of the ring.
    let later = START + 61 * SECOND;
    spend(&capacity, "a", 70, later).unwrap();
    drop(lease);
    assert_eq!(used(&capacity, later), 70, "of another request");
}

#[test]
fn each_window_settles_by_itself() {
    let limits = [per(Window::Minute, 1_000), per(Window::Hour, 5_000)];
    let capacity = Capacity::try_new(&config(&limits, &[])).unwrap();
    let lease = capacity
        .admit(capacity.resource("a"), tokens(100), START)
        .unwrap();
    let later = START + 5 * MINUTE;
    lease.settle(tokens(40), later);
    let used: Vec<u64> = capacity
        .status(later)
        .limits
        .iter()
        .map(|limit| limit.used)
        .collect();
    assert_eq!(used, [0, 40], "the minute is over, the hour is not");
}

#[test]
fn a_use_beyond_the_capacity_refuses_until_it_is_over() {
    let capacity = thousand(&[]);
    let lease = capacity
        .admit(capacity.resource("a"), tokens(1), START)
        .unwrap();
    lease.settle(tokens(5_000), START);
    ask(&capacity, "a", 1, START + 30 * SECOND).expect_err("five times the capacity was used");
    ask(&capacity, "a", 1_000, START + 61 * SECOND).expect("over");
}
