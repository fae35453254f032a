//! The tables.

use witgate_benches::median;

use crate::load::Turn;
use crate::proxies::Proxy;
use crate::work::{Per, Work};

/// Prints the medians of a work's turns: cost, throughput, latency and memory of each proxy, then the cost by thread.
pub(crate) fn print(work: &Work, proxies: &[Proxy], turns: &[Vec<Turn>]) {
    let unit = match work.per {
        Per::Request => "us a request",
        Per::Event => "us an event",
    };
    println!("\n{}: {}", work.name, work.what);
    println!(
        "  {:24} {unit:>13} {:>7} {:>10} {:>9} {:>9} {:>8}",
        "", "ratio", "a second", "p50 us", "p99 us", "MiB"
    );
    let baseline: Vec<i64> = turns[0].iter().map(cost).collect();
    for (proxy, turns) in proxies.iter().zip(turns) {
        let ratios = turns.iter().zip(&baseline);
        let ratio = median(ratios.map(|(turn, base)| cost(turn) * 100 / (*base).max(1)));
        let at = |percent: usize| median(turns.iter().map(|turn| latency(turn, percent)));
        println!(
            "  {:24} {:>13} {:>7} {:>10} {:>9} {:>9} {:>8}",
            proxy.name,
            decimal(median(turns.iter().map(cost)) / 10, 100),
            decimal(ratio, 100),
            median(turns.iter().map(rate)),
            at(50) / 1000,
            at(99) / 1000,
            decimal(
                median(turns.iter().map(|turn| signed(turn.memory))) * 10 / 1024,
                10
            ),
        );
    }
    for (proxy, turns) in proxies.iter().zip(turns) {
        let Some(turn) = turns.last() else { continue };
        let mut threads: Vec<_> = turn.threads.iter().collect();
        threads.sort_unstable_by_key(|(_, nanoseconds)| std::cmp::Reverse(**nanoseconds));
        let shown: Vec<_> = threads
            .into_iter()
            .map(|(name, nanoseconds)| (name, signed(nanoseconds / turn.count.max(1)) / 10))
            .filter(|(_, hundredths)| *hundredths > 0)
            .map(|(name, hundredths)| format!("{name} {}", decimal(hundredths, 100)))
            .collect();
        println!("  {:24} by thread: {}", proxy.name, shown.join(", "));
    }
}

/// Returns the nanoseconds of processor time for a request or an event.
fn cost(turn: &Turn) -> i64 {
    signed(turn.processor / turn.count.max(1))
}

/// Returns the requests or events a second.
fn rate(turn: &Turn) -> i64 {
    signed(turn.count * 1_000_000 / (turn.took / 1000).max(1))
}

/// Returns a percentile of the latencies, in nanoseconds.
fn latency(turn: &Turn, percent: usize) -> i64 {
    let at = (turn.latencies.len() * percent / 100).min(turn.latencies.len().saturating_sub(1));
    turn.latencies.get(at).copied().map_or(0, signed)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Writes a number of hundredths, or of tenths, as a decimal.
fn decimal(value: i64, one: i64) -> String {
    let width = if one == 100 { 2 } else { 1 };
    format!("{}.{:0width$}", value / one, value % one)
}
