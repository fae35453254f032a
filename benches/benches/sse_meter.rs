//! The meter over streams of text deltas. The baseline finds line ends and nothing else.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use witgate_messages::Meter;

const EVENTS: usize = 1_000;
const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_01\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-opus-5-5\",\"content\":[],\"usage\":{\"input_tokens\":12,\"cache_creation_input_tokens\":3000,\"cache_read_input_tokens\":9000,\"output_tokens\":1,\"service_tier\":\"standard\"}}}\n\n";
const DELTA: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" and so on\"}}\n\n";
const LAST: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2000}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

fn deltas(criterion: &mut Criterion) {
    let stream = DELTA.repeat(EVENTS).into_bytes();
    let mut group = criterion.benchmark_group("sse_meter/deltas");
    group.throughput(Throughput::Elements(
        u64::try_from(EVENTS).unwrap_or_default(),
    ));
    for (name, size) in [
        ("event_a_chunk", DELTA.len()),
        ("chunks_of_4096", 4096),
        ("chunks_of_100", 100),
    ] {
        group.bench_function(name, |bencher| {
            let mut meter = Meter::sse();
            meter.feed(START.as_bytes());
            bencher.iter(|| {
                for chunk in stream.chunks(size) {
                    meter.feed(black_box(chunk));
                }
                meter.output_so_far()
            });
        });
    }
    group.bench_function("baseline_line_ends", |bencher| {
        bencher.iter(|| memchr::memchr2_iter(b'\n', b'\r', black_box(&stream)).count());
    });
    group.finish();
}

fn whole_answer(criterion: &mut Criterion) {
    let stream = [START, &DELTA.repeat(100), LAST].concat().into_bytes();
    criterion.bench_function("sse_meter/answer_of_100_deltas", |bencher| {
        bencher.iter(|| {
            let mut meter = Meter::sse();
            for chunk in stream.chunks(DELTA.len()) {
                meter.feed(black_box(chunk));
            }
            meter.finish()
        });
    });
}

criterion_group!(benches, deltas, whole_answer);
criterion_main!(benches);
