//! A whole exchange through the gateway, beside bare pingora in front of the same upstream.
//!
//! First the processor time that the proxy's own threads take for a request, which is what a proxy costs, as a table;
//! then `exchange/wall`, the time that a lone client waits, beside asking the upstream directly.
//!
//! Everything is in this process, on threads of its own: the proxies' are told apart by name. Both proxies have one
//! worker, the load is eight connections in a closed loop.

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

use std::time::Duration;

use criterion::{BenchmarkId, Criterion};

use load::{Load, Work};
use measure::Lane;
use proxies::{Proxy, Upstream};

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

/// Connections of the closed loop.
const CONNECTIONS: usize = 8;

fn main() {
    let upstream = Upstream::start();
    let pingora = Proxy::bare_pingora(&upstream);
    let none = Proxy::witgate("wg-none", &upstream, &proxies::Plugins::None);
    let four = Proxy::witgate("wg-four", &upstream, &proxies::Plugins::Shipped);
    let proxies = [
        ("bare pingora", &pingora),
        ("witgate, no plugins", &none),
        ("witgate, four plugins", &four),
    ];

    processor_time(&proxies);

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
                threads: proxy.threads(),
                load: Load::open(proxy.address(), work, CONNECTIONS, proxy.key()),
            })
            .collect();
        println!("{}", work.name);
        for ((name, _), cost) in proxies.iter().zip(measure::costs(&lanes)) {
            let (tenths, percent) = (cost.nanoseconds / 100, cost.percent);
            println!(
                "  {name:28} {:6}.{}  {:10}.{:02}x",
                tenths / 10,
                tenths % 10,
                percent / 100,
                percent % 100
            );
        }
    }
}
