//! The processor time that an admission takes, printed and not judged: `cargo test -p witgate-capacity --test speed -- --ignored --nocapture`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the functions beside the tests are test code too"
)]

use std::fs;
use std::sync::Arc;
use std::thread;

use witgate_capacity::{Amounts, Capacity, Config, Limit, Share, Terms, Unit, Window};

const ROUNDS: u64 = 50_000;
const START: u64 = 20_786 * 86_400_000;

fn capacity(resources: u64, amount: u64) -> Arc<Capacity> {
    let limit = |unit, window| Limit {
        unit,
        window,
        amount,
    };
    let share = |number: u64| Share {
        resource: format!("r{number}").into(),
        terms: Terms {
            priority: u8::try_from(number % 3).unwrap(),
            ..Terms::default()
        },
    };
    let config = Config {
        limits: vec![
            limit(Unit::Requests, Window::Minute),
            limit(Unit::Tokens, Window::Minute),
            limit(Unit::Tokens, Window::Day),
        ],
        shares: (0..resources).map(share).collect(),
        others: Terms::default(),
        headroom: None,
    };
    Capacity::try_new(&config).expect("a valid configuration")
}

/// Admits and settles, with a millisecond between two admissions.
fn rounds(capacity: &Arc<Capacity>, resources: u64) {
    let amounts = Amounts {
        requests: 1,
        input: 900,
        output: 100,
    };
    for round in 0..ROUNDS {
        let resource = capacity
            .resource(["r0", "r1", "r2"][usize::try_from(round % resources.min(3)).unwrap()]);
        let admitted = capacity.admit(resource, amounts, START + round);
        if let Ok(lease) = admitted {
            lease.settle(amounts, START + round);
        }
    }
}

/// Returns the processor time of this thread in nanoseconds, which other programs on the machine do not disturb.
fn processor_time() -> u128 {
    let read = fs::read_to_string("/proc/thread-self/schedstat").expect("a Linux with statistics");
    let first = read.split_whitespace().next();
    first.and_then(|time| time.parse().ok()).expect("a number")
}

#[test]
#[ignore = "measures, and finds nothing wrong"]
fn an_admission_and_its_settlement() {
    for (what, amount) in [("admitted", 1 << 50), ("refused", 1_000)] {
        for resources in [1, 8, 64, 256] {
            for threads in [1, 2, 4] {
                let capacity = capacity(resources, amount);
                let times: Vec<u128> = thread::scope(|scope| {
                    let run = || {
                        let begin = processor_time();
                        rounds(&capacity, resources);
                        processor_time() - begin
                    };
                    let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
                    let ended = running.into_iter().map(|thread| thread.join().unwrap());
                    ended.collect()
                });
                let each = times.iter().sum::<u128>() / u128::from(ROUNDS * threads);
                println!("{what}: {resources} resources, {threads} threads: {each} ns");
            }
        }
    }
}
