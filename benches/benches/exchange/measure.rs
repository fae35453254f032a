//! Processor time of a proxy's process for a request: all proxies in turns, so that each sees the same machine.

use std::time::{Duration, Instant};

use witgate_benches::{in_turns, is_measured, median};

use crate::load::Load;

/// About how long one proxy is asked before the next has its turn.
const TURN: Duration = Duration::from_millis(30);

/// Turns of each proxy, for each work.
const ROUNDS: usize = 60;

/// The time after a turn in which the proxy finishes what it does beside requests, such as writing receipts.
const REST: Duration = Duration::from_millis(6);

/// A proxy and what asks it.
pub(crate) struct Lane {
    /// The id of its process.
    pub process: u32,
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

/// Medians of bare pingora and of gateways, each of which does more than the one before.
#[derive(Clone, Debug)]
pub(crate) struct Costs {
    /// The lanes, in their order.
    pub lanes: Vec<Cost>,
    /// What the gateway with plugins takes more than the one without, and with a journal more than without.
    pub more: [Cost; 2],
}

/// Asks all in turns.
pub(crate) fn costs(lanes: &[Lane]) -> Costs {
    let counts: Vec<u64> = lanes.iter().map(|lane| fills_a_turn(&lane.load)).collect();
    let rounds = if is_measured() { ROUNDS } else { 1 };
    let seen = in_turns(lanes.len(), rounds, |index| {
        let (lane, count) = (&lanes[index], counts[index]);
        let before = processor_time(lane.process);
        lane.load.run(count);
        std::thread::sleep(REST);
        let took = processor_time(lane.process) - before;
        i64::try_from(took / count).unwrap_or(i64::MAX)
    });
    let cost = |of: &dyn Fn(&[i64]) -> i64| Cost {
        nanoseconds: median(seen.iter().map(|row| of(row))),
        percent: median(seen.iter().map(|row| of(row) * 100 / row[0].max(1))),
    };
    let last = lanes.len() - 1;
    Costs {
        lanes: (0..lanes.len())
            .map(|index| cost(&|row| row[index]))
            .collect(),
        more: [last - 1, last].map(|lane| cost(&|row| row[lane] - row[lane - 1])),
    }
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

/// Returns the share of a core that processes take without a request, in millionths, for each of them.
pub(crate) fn idle(processes: &[u32], time: Duration) -> Vec<u64> {
    let now = || processes.iter().map(|process| processor_time(*process));
    let before: Vec<_> = now().collect();
    std::thread::sleep(time);
    let each = now().zip(before);
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    each.map(|(after, before)| (after - before) * 1_000_000 / nanoseconds)
        .collect()
}

/// Nanoseconds that the threads of a process have been on a processor.
fn processor_time(process: u32) -> u64 {
    let tasks =
        std::fs::read_dir(format!("/proc/{process}/task")).expect("this bench runs on Linux");
    tasks
        .filter_map(Result::ok)
        .filter_map(|task| {
            let schedstat = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            schedstat.split(' ').next()?.parse::<u64>().ok()
        })
        .sum()
}
