//! The cost of the line of a receipt, of the chain of receipts, and the time to check a million receipts.
//!
//! Baselines: the line written from a list of its fields; and the same lines in one `write(2)` to a plain file.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a bench that prints its figures, and says so by panicking if it can't go on"
)]

use std::hint::black_box;
use std::num::NonZeroU64;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use witgate_audit::Sink;
use witgate_audit::segments::{Retention, Rotation, Segments, tidy, verify};
use witgate_audit::sink::File;
use witgate_gateway::measured_receipts::Line;

/// Lines in a batch, as the audit writes it under load.
const BATCH: usize = 256;

/// Receipts that are checked.
const MILLION: usize = 1_000_000;

/// A receipt of the usual length, 1.2 KB.
fn line(number: usize) -> String {
    let plugins: String = ["envelope", "route", "budget", "audit"]
        .map(|name| format!("\"{name}\":\"{:064x}\",", number.wrapping_mul(0x9e37_79b9)))
        .concat();
    let session = format!("{:032x}", number.wrapping_mul(0x85eb_ca6b));
    format!(
        "{{\"id\":\"req_wg{number:032x}\",\"started_unix_ms\":{},\"endpoint\":\"messages\",\"outcome\":\"answered\",\
         \"status\":200,\"key\":\"alice\",\"tenant\":\"acme\",\"session\":\"{session}\",\"usage\":{{\"source\":\"reported\",\
         \"input_tokens\":{number},\"output_tokens\":120}},\"cost_picousd\":{},\"plugins\":{{{}}},\"pad\":\"{}\"}}\n",
        1_795_225_386_000_usize + number,
        number * 1_000,
        plugins.trim_end_matches(','),
        "x".repeat(400),
    )
}

fn batch(from: usize) -> Vec<u8> {
    (from..from + BATCH)
        .map(line)
        .collect::<String>()
        .into_bytes()
}

fn rotation(max_bytes: u64) -> Rotation {
    Rotation {
        max_bytes: NonZeroU64::new(max_bytes).expect("not zero"),
        retention: Retention::default(),
        rule: None,
    }
}

/// Batches that are appended to a file before the next one begins, so that a bench does not fill the disk.
const BATCHES_OF_FILE: u64 = 256;

/// Returns the time that a number of batches takes, without the time to make and remove files.
fn time_of<S: Sink>(batches: u64, lines: &[u8], open: impl Fn(&Path) -> S) -> Duration {
    let mut took = Duration::ZERO;
    let mut left = batches;
    while left > 0 {
        let folder = tempfile::tempdir().expect("a folder");
        let mut sink = open(&folder.path().join("receipts"));
        let now = left.min(BATCHES_OF_FILE);
        let since = Instant::now();
        for _ in 0..now {
            sink.append(black_box(lines)).expect("it is written");
        }
        took += since.elapsed();
        left -= now;
    }
    took
}

fn append(c: &mut Criterion) {
    let lines = batch(0);
    let mut group = c.benchmark_group("append_256_receipts");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("plain file", |b| {
        b.iter_custom(|batches| time_of(batches, &lines, |path| File::new(path)));
    });
    let chained = |path: &Path| Segments::new(path, rotation(1 << 40));
    group.bench_function("chained segment", |b| {
        b.iter_custom(|batches| time_of(batches, &lines, chained));
    });
    group.finish();
}

fn lines(c: &mut Criterion) {
    let line = Line::usual();
    let mut out = Vec::new();
    let mut group = c.benchmark_group("line_of_a_receipt");
    group.bench_function("baseline: from a list of its fields", |b| {
        b.iter(|| {
            out.clear();
            black_box(&line).write_listed(&mut out);
        });
    });
    group.bench_function("directly", |b| {
        b.iter(|| {
            out.clear();
            assert!(
                black_box(&line).write_directly(&mut out),
                "it is a usual one"
            );
        });
    });
    group.finish();
}

/// Says how long it takes to check a million receipts, nearly all of them in compressed segments.
fn check(_: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("receipts.jsonl");
    let mut sink = Segments::new(&path, rotation(64 << 20));
    for from in (0..MILLION).step_by(BATCH) {
        sink.append(&batch(from)).expect("it is written");
    }
    drop(sink);
    tidy(&path, &Retention::default(), SystemTime::now()).expect("it is compressed");
    let since = Instant::now();
    let report = verify(&path, None).expect("it is read");
    let took = since.elapsed();
    assert!(report.is_intact(), "{report:?}");
    println!(
        "verify: {} receipts ({} MB) in {} segments: {took:.2?}",
        report.records,
        report.bytes >> 20,
        report.segments
    );
}

criterion_group!(benches, lines, append, check);
criterion_main!(benches);
