//! What a call of a hook costs through the host, beside the same call through bare wasmtime.
//!
//! The call is a route decision: a request handle and an envelope with a few facts go in, a plan of one target comes
//! out. `bare` keeps nothing to any limit but the deadline: the difference is what limits, figures and checks cost.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a bench that can't go on says so by panicking"
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

use bare::Bare;
use criterion::{Criterion, criterion_group, criterion_main};
use guest::{Guest, PLAN};
use request::Typical;
use std::hint::black_box;
use std::sync::Arc;
use witgate_runtime::{
    Envelope, Lineup, Request, Runtime, RuntimeOptions, Source, Trail, UpstreamStats,
};

fn envelope() -> Envelope {
    Envelope {
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
    }
}

fn upstreams() -> Vec<UpstreamStats> {
    ["first", "second", "third"]
        .map(|name| UpstreamStats {
            name: name.to_owned(),
            in_flight: 3,
            requests: 1_000,
            errors: 1,
            attributes: Vec::new(),
        })
        .to_vec()
}

fn lineup(runtime: &Runtime, wasm: &[u8], instances: &str) -> Lineup {
    let sidecar = format!(
        "instances = \"{instances}\"\n[limits]\ndeadline_ms = 1000\n[grants]\nbody = \"read\"\nheaders = [\"*\"]\nmetrics = true\nclock = true\n"
    );
    let source = Source::new("route", wasm).with_sidecar(sidecar);
    let plugin = runtime
        .admit(&source)
        .unwrap_or_else(|error| panic!("{error}"));
    Lineup::new(1, vec![plugin], &[])
}

fn hook_call(criterion: &mut Criterion) {
    let wasm = Guest::route(PLAN).build();
    let mut group = criterion.benchmark_group("hook_call");

    let bare = Bare::new(&wasm);
    let mut warm = bare.start();
    let (envelope, upstreams) = (envelope(), upstreams());
    let (bare_envelope, bare_upstreams) = (bare::envelope(&envelope), bare::upstreams(&upstreams));
    group.bench_function("bare_reused", |bencher| {
        bencher.iter(|| black_box(warm.call(&bare_envelope, &bare_upstreams)));
    });
    group.bench_function("bare_fresh", |bencher| {
        bencher.iter(|| black_box(bare.start().call(&bare_envelope, &bare_upstreams)));
    });

    let runtime = Runtime::try_new(RuntimeOptions::default()).expect("the engine starts");
    let request: Arc<dyn Request> = Arc::new(Typical);
    for instances in ["reused", "fresh"] {
        let lineup = lineup(&runtime, &wasm, instances);
        group.bench_function(instances, |bencher| {
            bencher.iter(|| {
                let mut trail = Trail::default();
                let plan = lineup.decide_route(&request, &envelope, &upstreams, &mut trail);
                black_box(plan.expect("it serves"))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, hook_call);
criterion_main!(benches);
