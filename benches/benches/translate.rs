//! The cost of a translation for each event of a stream, beside a guard's call for the same event.
//!
//! `guard` is the call of a plugin that passes a piece of text; `translate` is the shipped openai plugin, which makes a chunk of
//! the event that the piece is in; `other` gets an event that has no chunk.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a bench says by panicking that it can't go on"
)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use witgate_artifacts::{OPENAI, WARDEN};
use witgate_runtime::{
    ContentKind, Lineup, PlainRequest, Runtime, RuntimeOptions, Source, Translation,
};

/// The allocator of the gateway's binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const TEXT: &str = " and so on";
const START: &str = r#"{"type":"message_start","message":{"id":"msg_01","model":"claude-sonnet-5-5","usage":{"input_tokens":25,"output_tokens":1}}}"#;
const DELTA: &str =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" and so on"}}"#;
const OTHER: &str = r#"{"type":"content_block_stop","index":0}"#;
const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[{"role":"user","content":"Hello!"}]}"#;
const PATH: &str = "/v1/chat/completions";

fn lineup(name: &str, wasm: &[u8], sidecar: &str) -> Lineup {
    let runtime = Runtime::try_new(RuntimeOptions::default()).expect("the engine starts");
    let source = Source::new(name, wasm).with_sidecar(sidecar);
    let plugin = runtime.admit(&source);
    let plugin = plugin.unwrap_or_else(|error| panic!("{error}"));
    Lineup::new(1, vec![plugin], &[])
}

fn translation(lineup: &Lineup) -> Translation {
    let translation = lineup.translation("POST", PATH, &|_| false);
    let mut translation = translation.expect("the path is claimed");
    translation.set_request(Arc::new(PlainRequest::new("other", "POST", PATH)));
    translation
}

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("translate/event");
    let sidecar = "[limits]\ndeadline_ms = 1000\n[grants]\ncontent = [\"response\"]\n[settings]\ncontent = [\"text\"]\n";
    let warden = lineup("warden", WARDEN.bytes(), sidecar);
    group.bench_function("guard", |bencher| {
        let request = PlainRequest::new("messages", "POST", "/v1/messages");
        let hooks = warden.begin(Arc::new(request));
        let guards = hooks.guards(&Arc::default()).expect("nothing is missing");
        let mut guards = guards.expect("the plugin subscribed");
        bencher.iter(|| guards.inspect(ContentKind::Text, 0, black_box(TEXT), false));
    });
    let sidecar = include_str!("../../policies/optional/openai.toml");
    let openai = lineup("openai", OPENAI.bytes(), sidecar);
    for (name, data) in [("translate", DELTA), ("other", OTHER)] {
        group.bench_function(name, |bencher| {
            let mut translation = translation(&openai);
            translation.request(BODY).expect("a request");
            translation.event(START).expect("the start");
            bencher.iter(|| translation.event(black_box(data)));
        });
    }
    group.bench_function("request", |bencher| {
        bencher.iter(|| translation(&openai).request(black_box(BODY)));
    });
    group.finish();
}

criterion_group!(benches, events);
criterion_main!(benches);
