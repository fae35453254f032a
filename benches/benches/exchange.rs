//! A whole exchange through the gateway, beside bare pingora in front of the same upstream.
//!
//! First the processor time that the whole process of the proxy takes for a request, with all of its threads, as a table, and what it
//! takes without requests; then `exchange/wall`, the time that a lone client waits, beside asking the upstream directly.
//!
//! Each proxy is a process of its own, with one worker; the load is eight connections in a closed loop, and comes from this one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench prints, and says by panicking that it can't go on"
)]

#[path = "exchange/codings.rs"]
mod codings;
#[path = "exchange/load.rs"]
mod load;
#[path = "exchange/measure.rs"]
mod measure;
#[path = "exchange/proxies.rs"]
mod proxies;
#[path = "exchange/upstream.rs"]
mod upstream;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use witgate_benches::is_measured;

use load::{Load, Work};
use measure::Lane;
use proxies::{Kind, Proxy};
use upstream::Upstream;

/// The requests: bodies as small as a title request and as large as a long agent turn, and a streamed answer; and
/// answers in each coding, which the gateway decodes beside the stream for its meter and bare pingora does not.
const WORKS: [Work; 9] = [
    work("2KB JSON", 2 * 1024, None, PLAIN),
    work("200KB JSON", 200 * 1024, None, PLAIN),
    work("SSE, 100 deltas", 2 * 1024, Some(100), PLAIN),
    work("2KB JSON, gzip", 2 * 1024, None, "gzip"),
    work("2KB JSON, br", 2 * 1024, None, "br"),
    work("2KB JSON, zstd", 2 * 1024, None, "zstd"),
    work("SSE, 100 deltas, gzip", 2 * 1024, Some(100), "gzip"),
    work("SSE, 100 deltas, br", 2 * 1024, Some(100), "br"),
    work("SSE, 100 deltas, zstd", 2 * 1024, Some(100), "zstd"),
];

const PLAIN: &str = "identity";

const fn work(
    name: &'static str,
    request: usize,
    events: Option<usize>,
    coding: &'static str,
) -> Work {
    Work {
        name,
        request,
        events,
        coding,
    }
}

/// The allocator of the gateway's binary, for all that is measured here.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The time without requests in which the processor time of each proxy is measured.
const IDLE: Duration = Duration::from_secs(20);

/// Connections of the closed loop.
const CONNECTIONS: usize = 8;

fn main() {
    if let Some(kind) = Kind::asked_for() {
        kind.serve();
        return;
    }
    let upstream = Upstream::start();
    let [pingora, none, four, kept] = Kind::ALL.map(|kind| Proxy::start(kind, &upstream));
    let proxies = [
        (Kind::Bare.title(), &pingora),
        (Kind::NoPlugins.title(), &none),
        (Kind::FourPlugins.title(), &four),
        (Kind::Kept.title(), &kept),
    ];

    processor_time(&proxies);
    idle(&proxies);

    let mut wall = Criterion::default().configure_from_args();
    {
        let mut group = wall.benchmark_group("exchange/wall");
        group
            .sample_size(20)
            .warm_up_time(Duration::from_secs(1))
            .measurement_time(Duration::from_secs(3));
        // Decoding is processor time, which the other group shows.
        for work in WORKS.into_iter().filter(|work| work.coding == PLAIN) {
            let direct = Load::open(upstream.address(), work, 1, "");
            group.bench_function(BenchmarkId::new("direct", work.name), |bencher| {
                bencher.iter(|| direct.run(1));
            });
            for (name, proxy) in proxies {
                let load = Load::open(proxy.address(), work, 1, proxy.key());
                group.bench_function(BenchmarkId::new(name, work.name), |bencher| {
                    bencher.iter(|| load.run(1));
                });
            }
        }
    }
    wall.final_summary();
}

/// Prints what each proxy costs while nothing is asked.
fn idle(proxies: &[(&str, &Proxy)]) {
    let time = if is_measured() {
        IDLE
    } else {
        Duration::from_millis(1)
    };
    let processes: Vec<_> = proxies.iter().map(|(_, proxy)| proxy.process()).collect();
    println!("without a request, of a core");
    for ((name, _), millionths) in proxies.iter().zip(measure::idle(&processes, time)) {
        println!(
            "  {name:28} {:>3}.{:04} %",
            millionths / 10_000,
            millionths % 10_000
        );
    }
}

/// Prints what a request costs each proxy. A word on the command line picks the works that have it in their name.
fn processor_time(proxies: &[(&str, &Proxy)]) {
    let wanted = std::env::args()
        .skip(1)
        .find(|word| !word.starts_with("--"));
    println!("processor time a request            us     of bare pingora");
    for work in WORKS {
        if wanted
            .as_ref()
            .is_some_and(|word| !work.name.contains(word))
        {
            continue;
        }
        let lanes: Vec<_> = proxies
            .iter()
            .map(|(_, proxy)| Lane {
                process: proxy.process(),
                load: Load::open(proxy.address(), work, CONNECTIONS, proxy.key()),
            })
            .collect();
        println!("{}", work.name);
        let costs = measure::costs(&lanes);
        for ((name, _), cost) in proxies.iter().zip(&costs.lanes) {
            println!(
                "  {name:28} {:>8}  {:>13}x",
                decimal(cost.nanoseconds / 100, 10),
                decimal(cost.percent, 100)
            );
        }
        for (name, more) in ["four plugins minus none", "on disk minus in memory"]
            .into_iter()
            .zip(costs.more)
        {
            println!(
                "  {name:28} {:>8}  {:>13}x",
                decimal(more.nanoseconds / 100, 10),
                decimal(more.percent, 100)
            );
        }
    }
}

/// Writes a number of tenths or hundredths.
fn decimal(number: i64, of: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    let (whole, part) = (number.abs() / of, number.abs() % of);
    match of {
        10 => format!("{sign}{whole}.{part}"),
        _ => format!("{sign}{whole}.{part:02}"),
    }
}
