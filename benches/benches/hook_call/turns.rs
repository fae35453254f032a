//! Two things measured in turns of about a millisecond.

use std::hint::black_box;
use std::time::{Duration, Instant};

use witgate_benches::{in_turns, is_measured, median};

/// The length of a turn, after which the other side has its own.
const TURN: Duration = Duration::from_millis(1);

const ROUNDS: usize = 1_500;

/// Medians, in nanoseconds a call.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) ours: i64,
    pub(crate) baseline: i64,
    /// The median of the differences, each between a turn and the one beside it.
    pub(crate) over: i64,
}

/// Calls both in turns.
pub(crate) fn compare<A, B>(
    mut ours: impl FnMut() -> A,
    mut baseline: impl FnMut() -> B,
) -> Compared {
    let (each_ours, each_baseline) = (repeats(&mut ours), repeats(&mut baseline));
    let rounds = if is_measured() { ROUNDS } else { 1 };
    let seen = in_turns(2, rounds, |lane| match lane {
        0 => per_call(&mut ours, each_ours),
        _ => per_call(&mut baseline, each_baseline),
    });
    Compared {
        ours: median(seen.iter().map(|row| row[0])),
        baseline: median(seen.iter().map(|row| row[1])),
        over: median(seen.iter().map(|row| row[0] - row[1])),
    }
}

/// Returns the number of calls that fill a turn.
fn repeats<T>(call: &mut impl FnMut() -> T) -> u32 {
    let begun = Instant::now();
    let mut calls = 0;
    while begun.elapsed() < TURN * 20 {
        black_box(call());
        calls += 1;
    }
    (calls / 20).max(1)
}

fn per_call<T>(call: &mut impl FnMut() -> T, times: u32) -> i64 {
    let begun = Instant::now();
    for _ in 0..times {
        black_box(call());
    }
    i64::try_from(begun.elapsed().as_nanos()).unwrap_or(i64::MAX) / i64::from(times)
}
