//! The head scan over recorded Claude Code bodies, with two baselines: a copy of the same bytes, and `serde_json`
//! skipping through them.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use witgate_messages::{Edit, Head, Scanner, splice};

/// The bodies that Claude Code sends most: an interactive turn, and a round with a tool's result.
const BODIES: [(&str, &[u8]); 3] = [
    (
        "cc_text",
        include_bytes!("../../tests/fixtures/captures/cc_text_01_POST_v1_messages.body.json"),
    ),
    (
        "cc_tool",
        include_bytes!("../../tests/fixtures/captures/cc_tool_02_POST_v1_messages.body.json"),
    ),
    (
        "cc_interactive",
        include_bytes!(
            "../../tests/fixtures/captures/cc_interactive_04_POST_v1_messages.body.json"
        ),
    ),
];

fn scans(criterion: &mut Criterion) {
    for (name, body) in BODIES {
        let mut group = criterion.benchmark_group(format!("head_scan/{name}"));
        group.throughput(Throughput::Bytes(
            u64::try_from(body.len()).unwrap_or_default(),
        ));
        let body = Bytes::from_static(body);
        group.bench_function("fastest", |bencher| {
            bencher.iter(|| Head::scan(black_box(body.clone())));
        });
        group.bench_function("portable", |bencher| {
            bencher.iter(|| Head::scan_with(black_box(body.clone()), Scanner::Portable));
        });
        group.bench_function("baseline_copy", |bencher| {
            bencher.iter(|| black_box(&body).to_vec());
        });
        group.bench_function("baseline_serde_json_skip", |bencher| {
            bencher.iter(|| serde_json::from_slice::<serde::de::IgnoredAny>(black_box(&body)));
        });
        group.finish();
    }
}

fn splices(criterion: &mut Criterion) {
    let [(_, body), ..] = BODIES;
    let Ok(head) = Head::scan(Bytes::from_static(body)) else {
        return;
    };
    let edits = [
        Edit::Remove("vmx".to_owned()),
        Edit::Set("model".to_owned(), "\"claude-haiku-5-5\"".to_owned()),
    ];
    criterion.bench_function("splice/cc_text", |bencher| {
        bencher.iter(|| splice(black_box(&head), black_box(&edits)));
    });
}

criterion_group!(benches, scans, splices);
criterion_main!(benches);
