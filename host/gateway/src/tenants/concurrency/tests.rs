use bytes::Bytes;

use super::*;
use crate::config::{Memory, Origin};

const STEP: u64 = 64 * 1024;

fn limits(exchanges: (usize, usize), bytes: (u64, u64)) -> Limits {
    Limits {
        in_flight: NonZeroUsize::new(exchanges.0),
        in_flight_per_key: NonZeroUsize::new(exchanges.1),
        memory: Memory {
            bytes: bytes.0,
            per_key: bytes.1,
            origin: Origin::Configuration,
        },
        ..Limits::default()
    }
}

fn nothing_is_left(concurrency: &Concurrency, shares: &[&Share]) {
    let nothing = Sum::default();
    assert_eq!(concurrency.sum(), nothing, "nothing is left of the sum");
    for share in shares {
        let load = share.0.get().expect("it has asked something");
        assert_eq!(load.own.read(), nothing, "nothing is left of a key's");
    }
}

#[test]
fn places_are_given_back() {
    let concurrency = Concurrency::default();
    let limits = limits((3, 2), (1 << 30, 1 << 30));
    let (alice, bob) = (Share::default(), Share::default());
    let enter = |share| concurrency.acquire(share, &limits);
    let first = enter(&alice).unwrap();
    let second = enter(&alice).unwrap();
    assert_eq!(enter(&alice).unwrap_err().status, 429, "two for a key");
    let third = enter(&bob).unwrap();
    assert_eq!(enter(&bob).unwrap_err().status, 503, "three for all");
    drop(first);
    drop(enter(&bob).unwrap());
    drop((second, third));
    nothing_is_left(&concurrency, &[&alice, &bob]);
    let refused: Vec<_> = concurrency
        .refusals()
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(
        refused,
        [("in-flight", 1), ("in-flight-per-key", 1)],
        "each is counted by its kind"
    );
}

#[test]
fn a_key_has_its_share_of_memory_and_leaves_the_others_theirs() {
    let concurrency = Concurrency::default();
    let limits = limits((0, 0), (2 * BASE + 8 * STEP, BASE + 6 * STEP));
    let (alice, bob) = (Share::default(), Share::default());
    let place = concurrency.acquire(&alice, &limits).unwrap();
    let mut body = place.charge();
    body.cover(6 * 64 * 1024).expect("its whole share");
    let other = concurrency.acquire(&bob, &limits).unwrap();
    let mut others = other.charge();
    others
        .cover(2 * 64 * 1024)
        .expect("what is left for others");
    assert_eq!(
        others.cover(200_000).unwrap_err().status,
        503,
        "all is taken"
    );
    assert_eq!(
        body.cover(400_000).unwrap_err().status,
        413,
        "never for a key"
    );
    drop(others);
    assert_eq!(
        concurrency.acquire(&alice, &limits).unwrap_err().status,
        429,
        "not with what it has"
    );
    drop((body, place, other));
    nothing_is_left(&concurrency, &[&alice, &bob]);
}

#[test]
fn a_charge_lives_as_long_as_the_last_slice_of_its_bytes() {
    let concurrency = Concurrency::default();
    let limits = limits((0, 0), (1 << 30, 1 << 30));
    let share = Share::default();
    let place = concurrency.acquire(&share, &limits).unwrap();
    let mut charge = place.charge();
    charge.cover(100_000).unwrap();
    assert_eq!(concurrency.sum().bytes, BASE + 2 * STEP, "in steps");
    let bytes = charge.tie(Bytes::from(vec![0; 100_000]));
    assert_eq!(concurrency.sum().bytes, BASE + 100_000, "what they are");
    let slice = bytes.slice(10..20);
    drop((bytes, place));
    assert_eq!(
        concurrency.sum().bytes,
        100_000,
        "a slice holds all of them"
    );
    drop(slice);
    nothing_is_left(&concurrency, &[&share]);
}

#[test]
fn a_panic_gives_everything_back() {
    let concurrency = Concurrency::default();
    let limits = limits((0, 0), (1 << 30, 1 << 30));
    let share = Share::default();
    let exchange = std::panic::AssertUnwindSafe(|| {
        let place = concurrency.acquire(&share, &limits).unwrap();
        let mut charge = place.charge();
        charge.cover(1 << 20).unwrap();
        let _body = charge.tie(Bytes::from(vec![0; 1 << 20]));
        assert!(concurrency.sum().bytes < BASE, "this one fails");
    });
    assert!(std::panic::catch_unwind(exchange).is_err(), "it panics");
    nothing_is_left(&concurrency, &[&share]);
}

#[test]
fn what_is_announced_is_looked_at_and_not_taken() {
    let concurrency = Concurrency::default();
    let limits = limits((0, 0), (1 << 21, 1 << 20));
    let share = Share::default();
    let place = concurrency.acquire(&share, &limits).unwrap();
    place.has_room(1 << 19).expect("there is room");
    assert_eq!(concurrency.sum().bytes, BASE, "nothing was taken");
    let refused = place.has_room(1 << 20).unwrap_err();
    assert_eq!(refused.status, 413, "a key can never have as much");
    let _second = concurrency.acquire(&share, &limits).unwrap();
    let refused = place.has_room((1 << 19) + 1).unwrap_err();
    assert_eq!(refused.status, 429, "not beside the second one");
}

#[test]
fn a_key_with_something_under_way_keeps_its_count_through_a_reload() {
    let concurrency = Concurrency::default();
    let limits = limits((0, 1), (1 << 30, 1 << 30));
    let before = Share::default();
    assert!(!before.is_in_flight(), "it has not asked anything");
    let place = concurrency.acquire(&before, &limits).unwrap();
    assert!(before.is_in_flight(), "it has");
    let after = Share::default();
    after.inherit(&before);
    assert!(
        concurrency.acquire(&after, &limits).is_err(),
        "it is one key"
    );
    drop(place);
    assert!(!after.is_in_flight(), "nothing is in flight");
}
