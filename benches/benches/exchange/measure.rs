//! Processor time of a proxy's threads for a request: all proxies in turns, so that each sees the same machine.

use std::time::{Duration, Instant};

use witgate_benches::{in_turns, is_measured, median};

use crate::load::Load;

/// About how long one proxy is asked before the next has its turn.
const TURN: Duration = Duration::from_millis(30);

/// Turns of each proxy, for each work.
const ROUNDS: usize = 60;

/// A proxy and what asks it.
pub(crate) struct Lane<'a> {
    /// The prefix of its threads' names.
    pub threads: &'a str,
    /// The clients of this proxy.
    pub load: Load,
}

/// Medians of one proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Nanoseconds on a processor for a request.
    pub nanoseconds: i64,
    /// The share of the first proxy's time, in hundredths: the median of the rounds' ratios.
    pub percent: i64,
}

/// Asks all in turns.
pub(crate) fn costs(lanes: &[Lane<'_>]) -> Vec<Cost> {
    let counts: Vec<u64> = lanes.iter().map(|lane| fills_a_turn(&lane.load)).collect();
    let rounds = if is_measured() { ROUNDS } else { 1 };
    let seen = in_turns(lanes.len(), rounds, |index| {
        let (lane, count) = (&lanes[index], counts[index]);
        let before = processor_time(lane.threads);
        lane.load.run(count);
        let took = processor_time(lane.threads) - before;
        i64::try_from(took / count).unwrap_or(i64::MAX)
    });
    (0..lanes.len())
        .map(|index| Cost {
            nanoseconds: median(seen.iter().map(|row| row[index])),
            percent: median(seen.iter().map(|row| row[index] * 100 / row[0].max(1))),
        })
        .collect()
}

/// Returns the number of requests that fill a turn, after some to warm up.
fn fills_a_turn(load: &Load) -> u64 {
    const TRIED: u64 = 400;
    load.run(TRIED);
    let begun = Instant::now();
    load.run(TRIED);
    let took = begun.elapsed().as_nanos().max(1);
    u64::try_from(u128::from(TRIED) * TURN.as_nanos() / took)
        .unwrap_or(TRIED)
        .max(16)
}

/// Nanoseconds that the threads whose names start so have been on a processor.
fn processor_time(prefix: &str) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("this bench runs on Linux");
    tasks
        .filter_map(Result::ok)
        .filter(|task| {
            let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            name.starts_with(prefix)
        })
        .filter_map(|task| {
            let schedstat = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            schedstat.split(' ').next()?.parse::<u64>().ok()
        })
        .sum()
}
