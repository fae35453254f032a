//! The cost of a hook call through the host, beside the same call through bare wasmtime.
//!
//! The call is a route decision: nothing goes in, the guest asks for the tenant, and a plan of one target comes out. `bare`
//! keeps nothing to any limit but the deadline: the difference is what limits, figures and checks cost.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench prints, and says by panicking that it can't go on"
)]

#[path = "hook_call/bare.rs"]
mod bare;
#[allow(
    dead_code,
    reason = "the bench needs one guest of those that the tests make"
)]
#[path = "../../host/runtime/tests/it/guest.rs"]
mod guest;
#[path = "hook_call/request.rs"]
mod request;
#[path = "hook_call/shipped.rs"]
mod shipped;
#[path = "hook_call/turns.rs"]
mod turns;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};
use witgate_runtime::{
    Envelope, Lineup, Request, Runtime, RuntimeOptions, Source, UpstreamStats, Upstreams,
};

use bare::BareEngine;
use guest::{Guest, NEWEST, PLAN};
use request::Typical;

/// The allocator of the gateway's binary, for both sides.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn envelope() -> Arc<Envelope> {
    Arc::new(Envelope {
        tenant: Some("acme".to_owned()),
        user: Some("someone@acme.example".to_owned()),
        session: Some("9f0c6b1e-7f5e-4b6a-a1c6-0d8a5f0f2f10".to_owned()),
        metadata: [
            ("team", "search"),
            ("stage", "production"),
            ("feature", "chat"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        ..Envelope::default()
    })
}

fn upstreams() -> Arc<dyn Upstreams> {
    let stats = ["", "second", "third"].map(|name| UpstreamStats {
        name: name.to_owned(),
        in_flight: 3,
        requests: 1_000,
        errors: 1,
        attributes: Vec::new(),
    });
    Arc::new(stats.to_vec())
}

/// A guest of the newest version that asks for the tenant before its answer.
fn asking(answer: &str) -> Guest {
    Guest::route(&format!("(call $tenant (i32.const 3072)) {answer}"))
        .fact("context#tenant", "$tenant", "(param i32)")
        .version(NEWEST)
}

/// A lineup of so many plugins: the last one plans the route, those before it have no opinion. Each is configured.
fn lineup(runtime: &Runtime, plugins: usize, instances: &str) -> Lineup {
    let sidecar = format!(
        "instances = \"{instances}\"\n[limits]\ndeadline_ms = 1000\n[grants]\nbody = \"read\"\nheaders = [\"*\"]\nmetrics = true\nclock = true\n\
         [settings]\nmodel = \"claude-haiku-5-5\"\n"
    );
    let quiet = asking("").with("lifecycle", "").build();
    let deciding = asking(PLAN).with("lifecycle", "").build();
    let plugins = (1..=plugins)
        .map(|number| {
            let wasm = if number == plugins { &deciding } else { &quiet };
            let source =
                Source::new(format!("p{number:02}"), wasm.clone()).with_sidecar(sidecar.clone());
            runtime
                .admit(&source)
                .unwrap_or_else(|error| panic!("{error}"))
        })
        .collect();
    Lineup::new(1, plugins, &[])
}

/// The time that `threads` threads take for `calls` calls of one plugin, each thread its share: half with two where
/// nothing waits in line.
fn side_by_side(
    lineup: &Lineup,
    request: &Arc<dyn Request>,
    (envelope, upstreams): (&Arc<Envelope>, &Arc<dyn Upstreams>),
    threads: u64,
    calls: u64,
) -> Duration {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(move || {
                for _ in 0..calls.div_ceil(threads) {
                    let plan = lineup
                        .begin(Arc::clone(request))
                        .route(envelope, Some(Arc::clone(upstreams)));
                    black_box(plan.expect("it serves"));
                }
            });
        }
    });
    begun.elapsed()
}

fn threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hook_call");
    let runtime = Runtime::try_new(RuntimeOptions::default()).expect("the engine starts");
    let request: Arc<dyn Request> = Arc::new(Typical::default());
    let (envelope, upstreams) = (envelope(), upstreams());
    let lineup = lineup(&runtime, 1, "reused");
    for threads in [1, 2, 4] {
        group.bench_function(format!("threads/{threads}"), |bencher| {
            bencher.iter_custom(|calls| {
                side_by_side(&lineup, &request, (&envelope, &upstreams), threads, calls)
            });
        });
    }
    group.finish();
}

/// Prints what a call costs through the host and what it costs over bare wasmtime, with as many plugins on both sides.
fn over_bare() {
    let engine = BareEngine::new();
    let (envelope, upstreams) = (envelope(), upstreams());
    let runtime = Runtime::try_new(RuntimeOptions::default()).expect("the engine starts");
    let request: Arc<dyn Request> = Arc::new(Typical::default());
    let (quiet, deciding) = (asking("").build(), asking(PLAN).build());

    println!("instances  plugins  a call, ns  bare, ns  over bare, ns");
    for plugins in [1, 4, 16] {
        let bare: Vec<_> = (1..=plugins)
            .map(|number| engine.compile(if number == plugins { &deciding } else { &quiet }))
            .collect();
        let mut warm: Vec<_> = bare.iter().map(|bare| bare.start(&envelope)).collect();
        for instances in ["reused", "fresh"] {
            let lineup = lineup(&runtime, plugins, instances);
            let ours = || {
                let plan = lineup
                    .begin(Arc::clone(&request))
                    .route(&envelope, Some(Arc::clone(&upstreams)));
                plan.expect("it serves").expect("the last one plans")
            };
            let reused = || {
                for running in &mut warm {
                    black_box(running.call());
                }
            };
            let fresh = || {
                for bare in &bare {
                    black_box(bare.start(&envelope).call());
                }
            };
            let seen = match instances {
                "reused" => turns::compare(ours, reused),
                _ => turns::compare(ours, fresh),
            };
            let each = |nanoseconds: i64| nanoseconds / i64::try_from(plugins).unwrap();
            println!(
                "{instances:9}  {plugins:7}  {:10}  {:8}  {:13}",
                each(seen.ours),
                each(seen.baseline),
                each(seen.over)
            );
        }
    }
}

criterion_group!(benches, threads);

fn main() {
    over_bare();
    shipped::over_nop();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
