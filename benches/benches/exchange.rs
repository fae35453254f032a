//! A whole exchange through the gateway, beside bare pingora in front of the same upstream.
//!
//! Two groups: `exchange/cpu` is the processor time that the proxy's own threads take for a request, which is what a
//! proxy costs; `exchange/wall` is the time that a lone client waits, beside asking the upstream directly.
//!
//! Everything is in this process, on threads of its own: the proxies' are told apart by name. Both proxies have one
//! worker, the load is eight connections in a closed loop.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench that can't go on says so by panicking"
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

use criterion::measurement::Measurement;
use criterion::{BenchmarkId, Criterion};

use load::{Load, Work};
use measure::ThreadTime;
use proxies::{Proxy, Upstream};

/// What is asked for: bodies as small as a title request and as large as a long agent turn, and a streamed answer; and
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

    let mut cpu = Criterion::default()
        .with_measurement(ThreadTime)
        .configure_from_args();
    {
        let mut group = cpu.benchmark_group("exchange/cpu");
        group
            .sample_size(15)
            .warm_up_time(Duration::from_secs(1))
            .measurement_time(Duration::from_secs(4));
        for work in WORKS {
            for (name, proxy) in proxies {
                measure::watch(proxy.threads());
                let load = Load::open(proxy.address(), work, CONNECTIONS, proxy.key());
                group.bench_with_input(
                    BenchmarkId::new(name, work.name),
                    &load,
                    |bencher, load| {
                        bencher.iter_custom(|count| {
                            let time = ThreadTime;
                            let start = time.start();
                            load.run(count);
                            time.end(start)
                        });
                    },
                );
            }
        }
    }
    cpu.final_summary();

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
