//! The tables of the works.

use witgate_benches::median;
use witgate_benches::table::{Table, decimal};

use crate::load::Turn;
use crate::proxies::Proxy;
use crate::work::{Per, Work};

/// A figure of a turn.
pub(crate) type Figure = fn(&Turn) -> i64;

/// Prints the medians of a work's turns: cost, throughput, latency and memory of each proxy, with the ratios to the first one, then
/// the cost by thread.
pub(crate) fn print(work: &Work, proxies: &[Proxy], turns: &[Vec<Turn>]) {
    let cost_title = match work.per {
        Per::Request => "µs a request",
        Per::Event => "µs an event",
    };
    let columns: [(&str, Figure, i64); 5] = [
        (cost_title, cost, 1000),
        ("a second", rate, 1),
        ("p50 µs", |turn| percentile(&turn.latencies.all, 50), 1000),
        ("p99 µs", |turn| percentile(&turn.latencies.all, 99), 1000),
        ("RSS MiB", |turn| signed(turn.memory), 1024),
    ];
    println!("\n{}: {}\n", work.name, work.what);
    let titles = columns.iter().map(|(title, ..)| *title);
    let mut table = Table::new(std::iter::once("").chain(titles));
    for (proxy, own) in proxies.iter().zip(turns) {
        let cells = columns.iter().map(|(_, value, one)| {
            let ratios = own.iter().zip(&turns[0]);
            let ratio = median(ratios.map(|(own, base)| value(own) * 100 / value(base).max(1)));
            let digits = if *one == 1 { 0 } else { 1 };
            let value = decimal(median(own.iter().map(value)), *one, digits);
            format!("{value} ({}x)", decimal(ratio, 100, 2))
        });
        table.row(std::iter::once(proxy.name.clone()).chain(cells));
    }
    println!("{table}");
    for (proxy, turns) in proxies.iter().zip(turns) {
        println!("  {}, by thread: {}", proxy.name, threads(turns));
    }
}

/// Returns the medians of the cost by thread, the largest first, in microseconds.
fn threads(turns: &[Turn]) -> String {
    let names = turns.iter().flat_map(|turn| turn.threads.keys());
    let names: std::collections::BTreeSet<_> = names.collect();
    let cost = |turn: &Turn, name: &String| {
        let nanoseconds = turn.threads.get(name).copied().unwrap_or(0);
        signed(nanoseconds / turn.count.max(1))
    };
    let mut costs: Vec<_> = names
        .into_iter()
        .map(|name| (median(turns.iter().map(|turn| cost(turn, name))), name))
        .filter(|(cost, _)| *cost >= 10)
        .collect();
    costs.sort_unstable_by_key(|(cost, _)| -cost);
    let shown: Vec<_> = costs
        .into_iter()
        .map(|(cost, name)| format!("{name} {}", decimal(cost, 1000, 2)))
        .collect();
    shown.join(", ")
}

/// Returns the nanoseconds of processor time for a request or an event.
pub(crate) fn cost(turn: &Turn) -> i64 {
    signed(turn.processor / turn.count.max(1))
}

/// Returns the requests or events a second.
pub(crate) fn rate(turn: &Turn) -> i64 {
    signed(turn.count * 1_000_000 / (turn.took / 1000).max(1))
}

/// Returns a percentile of nanoseconds that are in order.
pub(crate) fn percentile(sorted: &[u64], percent: usize) -> i64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().map_or(0, signed)
}

pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
