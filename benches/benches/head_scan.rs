//! The head scan over bodies of 2 KB, 50 KB and 1 MB, with two baselines: one pass of `memchr` over the quotes and
//! backslashes, which is the least that any scan must look at, and `serde_json` skipping through the document.
//!
//! The 50 KB body is a recorded turn of Claude Code; the others are that turn with fewer and with more messages.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use witgate_messages::{Edit, Head, Scanner, splice};

const RECORDED: &[u8] =
    include_bytes!("../../tests/fixtures/captures/cc_text_01_POST_v1_messages.body.json");

/// The recorded turn with its messages repeated this often, or alone and without system prompt and tools.
enum Size {
    Alone,
    Times(usize),
}

fn body(size: &Size) -> Bytes {
    let Ok(head) = Head::scan(Bytes::from_static(RECORDED)) else {
        return Bytes::new();
    };
    let messages = head.member("messages").unwrap_or("[]");
    let elements = messages.trim_start_matches('[').trim_end_matches(']');
    let edits = match size {
        Size::Alone => vec![
            Edit::Remove("system".to_owned()),
            Edit::Remove("tools".to_owned()),
            Edit::Set(
                "messages".to_owned(),
                format!(
                    "[{{\"role\":\"user\",\"content\":\"{}\"}}]",
                    "The quick brown fox jumps over the lazy dog.\\n".repeat(34)
                ),
            ),
        ],
        Size::Times(times) => {
            let repeated = vec![elements; *times].join(",");
            vec![Edit::Set("messages".to_owned(), format!("[{repeated}]"))]
        }
    };
    splice(&head, &edits).map_or_else(|_| Bytes::new(), |spliced| spliced.into_bytes())
}

fn scans(criterion: &mut Criterion) {
    let sizes = [
        ("2KB", Size::Alone),
        ("50KB", Size::Times(1)),
        ("1MB", Size::Times(100)),
    ];
    for (name, size) in sizes {
        let body = body(&size);
        let mut group = criterion.benchmark_group(format!("head_scan/{name}"));
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function("scan", |bencher| {
            bencher.iter(|| Head::scan(black_box(body.clone())));
        });
        group.bench_function("scan, portable", |bencher| {
            bencher.iter(|| Head::scan_with(black_box(body.clone()), Scanner::Portable));
        });
        group.bench_function("baseline: memchr pass", |bencher| {
            bencher.iter(|| memchr::memchr2_iter(b'"', b'\\', black_box(&body)).count());
        });
        group.bench_function("baseline: serde_json skip", |bencher| {
            bencher.iter(|| serde_json::from_slice::<serde::de::IgnoredAny>(black_box(&body)));
        });
        group.finish();
    }
}

fn splices(criterion: &mut Criterion) {
    let Ok(head) = Head::scan(Bytes::from_static(RECORDED)) else {
        return;
    };
    let edits = [
        Edit::Remove("vmx".to_owned()),
        Edit::Set("model".to_owned(), "\"claude-haiku-5-5\"".to_owned()),
    ];
    criterion.bench_function("splice/50KB", |bencher| {
        bencher.iter(|| splice(black_box(&head), black_box(&edits)));
    });
}

criterion_group!(benches, scans, splices);
criterion_main!(benches);
