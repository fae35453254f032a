//! Latency over a direct connection, under light load.
//!
//! The upstream says how long it had each request, so that only what lies between it and the client counts. The figures of a proxy
//! contain its processing, the second connection, and the time in which the kernel wakes it; those of the direct connection are
//! taken off.

use std::time::Duration;

use witgate_benches::median;
use witgate_benches::table::{Table, decimal};

use crate::gateway::Gateway;
use crate::load::{self, Turn};
use crate::proxies::{Proxy, Site};
use crate::report::percentile;
use crate::server::WORKERS;
use crate::work::{Per, Work, work};

/// Requests a second at each number of connections.
const RATE: u32 = 200;

/// The time that the upstream takes for each connection, so that each has a request under way for half of the time and more. The timers
/// of the upstream are late by up to a millisecond, and no request may have to wait for the one before it.
const HOLD: Duration = Duration::from_micros(2_500);

/// The most that may be added to the latency, in microseconds.
const GOAL: i64 = 200;

/// Settings with which no answer is tried twice. As long as it may be, its opening is held back until its first content.
const NO_RETRIES: &str = "[upstreams.default.retry]\nattempts = 0\n";

/// Percentiles in the tables.
const PERCENTILES: [usize; 2] = [50, 99];

/// Returns the direct connection, bare pingora and the gateway with everything on.
fn proxies(site: &Site) -> [Proxy; 3] {
    [site.direct(), site.bare(WORKERS), site.everything(WORKERS)]
}

/// Measures what is added to requests of work A.
pub(crate) fn requests(site: &Site, rounds: usize, turn: Duration) {
    println!(
        "\nlatency: as A, {RATE} requests a second, over a direct connection; the upstream holds each so long that every connection has \
         one under way for half of the time\n"
    );
    let mut table = Table::new([
        "",
        "connections",
        "first byte p50 µs",
        "p99 µs",
        "whole p50 µs",
        "p99 µs",
    ]);
    let proxies = proxies(site);
    for connections in [1_u16, 16, 64] {
        let work = Work {
            rate: Some(RATE),
            hold: HOLD * u32::from(connections),
            stamped: true,
            ..work("latency", "as A", 2 << 10, usize::from(connections))
        };
        let turns = load::in_turns(&proxies.each_ref(), &work, rounds, turn);
        let parts: [fn(&Turn) -> &[u64]; 2] =
            [|turn| &turn.latencies.first, |turn| &turn.latencies.end];
        for (index, proxy) in proxies.iter().enumerate() {
            let cells = parts.iter().flat_map(|part| {
                let own = |percent| middle(&turns[index], *part, percent);
                let direct = |percent| middle(&turns[0], *part, percent);
                PERCENTILES.map(|percent| added(own(percent), direct(percent), index > 0))
            });
            let names = [proxy.name.clone(), connections.to_string()];
            table.row(names.into_iter().chain(cells));
        }
        let p99 = |index: usize| middle(&turns[index], parts[1], 99);
        let added = (p99(2) - p99(0)) / 1000;
        if added > GOAL {
            println!(
                "  {connections} connections: p99 is {added} µs over direct, the goal is {GOAL} µs"
            );
        }
    }
    println!("{table}");
}

/// Measures the time that events take in work D, and in a tenth of it.
pub(crate) fn events(site: &Site, rounds: usize, turn: Duration) {
    println!(
        "\ndelay: as D, from the upstream's write of an event to its arrival; streams begin one after the other\n"
    );
    let mut table = Table::new([
        "",
        "streams",
        "first byte p50 µs",
        "p99 µs",
        "event p50 µs",
        "p99 µs",
        "µs an event",
    ]);
    let [direct, bare, everything] = proxies(site);
    let no_retries = site.gateway(&Gateway {
        name: "witgate, no retries".to_owned(),
        tables: NO_RETRIES,
        ..Gateway::everything()
    });
    let proxies = [direct, bare, everything, no_retries];
    for streams in [50, 500] {
        let work = Work {
            deltas: Some(50),
            pace: Duration::from_millis(20),
            stamped: true,
            per: Per::Event,
            ..work("delay", "as D", 2 << 10, streams)
        };
        let turns = load::in_turns(&proxies.each_ref(), &work, rounds, turn);
        for (index, proxy) in proxies.iter().enumerate() {
            let first = PERCENTILES.map(|percent| {
                let of =
                    |index: usize| middle(&turns[index], |turn| &turn.latencies.first, percent);
                added(of(index), of(0), index > 0)
            });
            let event =
                PERCENTILES.map(|percent| decimal(middle(&turns[index], delays, percent), 1000, 1));
            let cost = median(turns[index].iter().map(crate::report::cost));
            let names = [proxy.name.clone(), streams.to_string()];
            let cost = [if index == 0 {
                String::new()
            } else {
                decimal(cost, 1000, 1)
            }];
            table.row(names.into_iter().chain(first).chain(event).chain(cost));
        }
        let p99 = |index: usize| middle(&turns[index], delays, 99) / 1000;
        if p99(2) > p99(1) {
            println!(
                "  {streams} streams: p99 of an event is {} µs, the goal is bare pingora's {} µs",
                p99(2),
                p99(1)
            );
        }
    }
    println!("{table}");
}

fn delays(turn: &Turn) -> &[u64] {
    &turn.latencies.events
}

/// Returns the median over the turns of a percentile, in nanoseconds.
fn middle(turns: &[Turn], part: impl Fn(&Turn) -> &[u64], percent: usize) -> i64 {
    median(turns.iter().map(|turn| percentile(part(turn), percent)))
}

/// Writes a latency in microseconds: by itself, or as what it is over the direct one.
fn added(own: i64, direct: i64, over: bool) -> String {
    if over {
        let sign = if own < direct { "" } else { "+" };
        format!("{sign}{}", decimal(own - direct, 1000, 1))
    } else {
        decimal(own, 1000, 1)
    }
}
