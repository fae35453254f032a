//! The cost of a guard for each event of a stream, beside the call alone.
//!
//! `framing` divides the stream into events and reads none. `unread` looks for texts that nobody wants, and `passing` gives each
//! text to a guard that is no plugin; `call` is the call of a plugin that passes everything, and `guarded` all of it together.
//! What a guarded event costs over the call itself is the last one minus `call`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a bench says by panicking that it can't go on"
)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use witgate_artifacts::WARDEN;
use witgate_messages::content::{Inspect, Kind, Passage, Stream};
use witgate_messages::sse::Framer;
use witgate_runtime::{ContentKind, Guards, Lineup, PlainRequest, Runtime, RuntimeOptions, Source};

/// The allocator of the gateway's binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const EVENTS: usize = 1_000;
const TEXT: &str = " and so on";
const START: &str = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
const DELTA: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" and so on\"}}\n\n";

/// A guard that wants texts, or none, and passes what it gets.
struct Passing {
    wants: bool,
}

/// The guards of an exchange.
struct Called(Guards);

// === impl Passing ===

impl Inspect for Passing {
    type Stop = ();

    fn wants(&self, _: Kind) -> bool {
        self.wants
    }

    fn inspect(&mut self, _: Kind, _: u32, text: &str, _: bool) -> Result<Passage, ()> {
        black_box(text);
        Ok(Passage::default())
    }
}

// === impl Called ===

impl Inspect for Called {
    type Stop = ();

    fn wants(&self, kind: Kind) -> bool {
        kind == Kind::Text && self.0.wants(ContentKind::Text)
    }

    fn inspect(&mut self, _: Kind, index: u32, text: &str, last: bool) -> Result<Passage, ()> {
        let passage = self.0.inspect(ContentKind::Text, index, text, last);
        let held = passage.map_err(|_| ())?.held;
        Ok(Passage {
            held,
            ..Passage::default()
        })
    }
}

fn guards(lineup: &Lineup) -> Guards {
    let hooks = lineup.begin(Arc::new(PlainRequest::new(
        "messages",
        "POST",
        "/v1/messages",
    )));
    let guards = hooks.guards(&Arc::default()).expect("nothing is missing");
    guards.expect("the plugin subscribed")
}

fn through(stream: &[u8], guard: &mut impl Inspect<Stop = ()>) -> usize {
    let mut passing = Stream::default();
    let mut sent = 0;
    for chunk in stream.chunks(DELTA.len()) {
        let mut out = Vec::new();
        let fed = passing.feed(black_box(chunk), guard, &mut out);
        fed.expect("nothing is stopped");
        sent += black_box(out).len();
    }
    sent
}

fn events(criterion: &mut Criterion) {
    let runtime = Runtime::try_new(RuntimeOptions::default()).expect("the engine starts");
    let sidecar = "[limits]\ndeadline_ms = 1000\n[grants]\ncontent = [\"response\"]\n[settings]\ncontent = [\"text\"]\n";
    let source = Source::new("warden", WARDEN.bytes()).with_sidecar(sidecar);
    let plugin = runtime.admit(&source);
    let plugin = plugin.unwrap_or_else(|error| panic!("{error}"));
    let lineup = Lineup::new(1, vec![plugin], &[]);

    let stream = [START, &DELTA.repeat(EVENTS)].concat().into_bytes();
    let mut group = criterion.benchmark_group("guard/event");
    group.throughput(Throughput::Elements(
        u64::try_from(EVENTS).unwrap_or_default(),
    ));
    group.bench_function("framing", |bencher| {
        bencher.iter(|| {
            let mut framer = Framer::new();
            let mut count = 0;
            for chunk in stream.chunks(DELTA.len()) {
                framer.feed(black_box(chunk), |_| count += 1);
            }
            count
        });
    });
    for (name, wants) in [("unread", false), ("passing", true)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| through(&stream, &mut Passing { wants }));
        });
    }
    group.bench_function("call", |bencher| {
        let mut guards = guards(&lineup);
        bencher.iter(|| {
            for _ in 0..EVENTS {
                let passage = guards.inspect(ContentKind::Text, 0, black_box(TEXT), false);
                black_box(passage.expect("it passes"));
            }
        });
    });
    group.bench_function("guarded", |bencher| {
        bencher.iter(|| through(&stream, &mut Called(guards(&lineup))));
    });
    group.finish();
}

criterion_group!(benches, events);
criterion_main!(benches);
