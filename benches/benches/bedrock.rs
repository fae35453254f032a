//! What Amazon Bedrock costs beside the API: a stream's frames beside its events, and a request's translation and signature beside the
//! scan that every request has.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::SystemTime;

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use witgate_bedrock::credentials::{Access, Keys};
use witgate_bedrock::model::Geography;
use witgate_bedrock::request::{Asked, translate};
use witgate_bedrock::sign::{Place, sign};
use witgate_bedrock::{Decoder, Models, OnRefused, Policy, Request};
use witgate_messages::sse::Framer;
use witgate_messages::{Head, Meter};

const EVENTS: usize = 1_000;
const DELTA: &str =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" and so on"}}"#;

/// Returns the frame of an event, by AWS's encoder.
fn frame(event: &str) -> Vec<u8> {
    let payload = format!(
        r#"{{"bytes":"{}","p":"abcdefghijklmnop"}}"#,
        STANDARD.encode(event)
    );
    let headers = [
        (":message-type", "event"),
        (":event-type", "chunk"),
        (":content-type", "application/json"),
    ];
    let message = headers
        .into_iter()
        .fold(Message::new(payload), |message, (name, value)| {
            message.add_header(Header::new(name, HeaderValue::String(value.into())))
        });
    let mut bytes = Vec::new();
    let written = write_message_to(&message, &mut bytes);
    written.map(|()| bytes).unwrap_or_default()
}

fn events(criterion: &mut Criterion) {
    let sse = format!("event: content_block_delta\ndata: {DELTA}\n\n");
    let frame = frame(DELTA);
    let mut group = criterion.benchmark_group("bedrock/event");
    group.throughput(Throughput::Elements(
        u64::try_from(EVENTS).unwrap_or_default(),
    ));
    // What an event of the API costs on its way: it is framed and metered.
    group.bench_function("baseline_sse_framed", |bencher| {
        bencher.iter(|| {
            let (mut framer, mut frames) = (Framer::new(), 0);
            for _ in 0..EVENTS {
                framer.feed(black_box(sse.as_bytes()), |_| frames += 1);
            }
            frames
        });
    });
    group.bench_function("baseline_sse_metered", |bencher| {
        bencher.iter(|| {
            let mut meter = Meter::sse();
            for _ in 0..EVENTS {
                meter.feed(black_box(sse.as_bytes()));
            }
            meter.output_so_far()
        });
    });
    group.bench_function("frame_to_sse", |bencher| {
        bencher.iter(|| {
            let (mut decoder, mut out) = (Decoder::new(), Vec::with_capacity(sse.len()));
            for _ in 0..EVENTS {
                out.clear();
                let pushed = decoder.push(black_box(&frame), &mut out);
                black_box((pushed.is_ok(), &out));
            }
        });
    });
    group.finish();
}

fn body(size: usize) -> Bytes {
    let text = "word ".repeat(size / 5);
    Bytes::from(format!(
        r#"{{"model":"claude-sonnet-4-5","max_tokens":1024,"stream":true,"system":"be brief","messages":[{{"role":"user","content":"{text}"}}]}}"#
    ))
}

fn translated(body: &Bytes, models: &Models, policy: &Policy) -> Option<Request> {
    let head = Head::scan(body.clone()).ok()?;
    let header = |name: &str| match name {
        "anthropic-beta" => vec!["interleaved-thinking-2025-05-14"],
        _ => Vec::new(),
    };
    translate(Asked::Messages, &head, header, models, policy).ok()
}

fn requests(criterion: &mut Criterion) {
    let models = Models::new(Geography::Us, BTreeMap::new());
    let policy = Policy::new(OnRefused::Strip);
    let access = Access::Keys(Keys::new("AKID", "secret", None, None));
    let place = Place {
        authority: "bedrock-runtime.us-east-1.amazonaws.com",
        region: "us-east-1",
    };
    for (name, size) in [("2_kb", 2_000), ("200_kb", 200_000)] {
        let body = body(size);
        let mut group = criterion.benchmark_group(format!("bedrock/request_{name}"));
        group.bench_function("baseline_scan", |bencher| {
            bencher.iter(|| Head::scan(black_box(body.clone())).is_ok());
        });
        group.bench_function("translate", |bencher| {
            bencher.iter(|| translated(black_box(&body), &models, &policy).is_some());
        });
        if let Some(request) = translated(&body, &models, &policy) {
            let now = SystemTime::UNIX_EPOCH;
            group.bench_function("sign", |bencher| {
                bencher.iter(|| sign(black_box(&request), place, &access, now).is_ok());
            });
        }
        group.finish();
    }
}

criterion_group!(benches, events, requests);
criterion_main!(benches);
