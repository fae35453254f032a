//! Two things measured in turns of about a millisecond, so that both see the same machine: a neighbour who takes half of
//! a core for a second takes it from both.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long one thing is run before the other has its turn.
const TURN: Duration = Duration::from_millis(1);

const TURNS: usize = 1_500;

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
    let mut seen = Vec::with_capacity(TURNS);
    for turn in 0..TURNS {
        let mut time_ours = || per_call(&mut ours, each_ours);
        let mut time_baseline = || per_call(&mut baseline, each_baseline);
        seen.push(if turn % 2 == 0 {
            let first = time_ours();
            (first, time_baseline())
        } else {
            let first = time_baseline();
            (time_ours(), first)
        });
    }
    Compared {
        ours: median(seen.iter().map(|(ours, _)| *ours)),
        baseline: median(seen.iter().map(|(_, baseline)| *baseline)),
        over: median(seen.iter().map(|(ours, baseline)| ours - baseline)),
    }
}

/// How many calls fill a turn.
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

fn median(of: impl Iterator<Item = i64>) -> i64 {
    let mut sorted: Vec<_> = of.collect();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}
