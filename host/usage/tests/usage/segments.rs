//! Segments of the receipts files: closed, compressed or moved away, each receipt counts once.

use std::fs;

use rusqlite::Connection;
use serde_json::{Value, json};
use witgate_audit::Sink as _;
use witgate_audit::segments::{Problem, Segments, verify};
use witgate_usage::{Follower, Kind, Source, Wanted, damaged, for_each_line, search};

use crate::log::{Log, NOW, ask, query};

/// Adds up what is new, and returns the number of all requests.
fn count(follower: &mut Follower, db: &mut Connection) -> u64 {
    follower.catch_up(db, NOW).unwrap();
    ask(db, &query(&[])).total.requests
}

/// Returns the names of the files that can't be read.
fn names(db: &Connection) -> Vec<String> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let damaged = damaged(db).unwrap();
    damaged.iter().map(|damage| name(&damage.path)).collect()
}

#[test]
fn a_receipt_counts_once_whenever_its_segment_is_closed_and_compressed() {
    for every in [1, 2, 3, 7, 50] {
        let mut log = Log::new();
        let (mut db, mut follower) = (log.db(), log.follower());
        let mut sink = log.sink(1_500);
        for written in 1..=50 {
            let line = log.line(&json!({}));
            sink.append(line.as_bytes()).unwrap();
            if written % every == 0 {
                assert_eq!(
                    count(&mut follower, &mut db),
                    written,
                    "read after every {every}"
                );
            }
        }
        log.compress();
        let closed = fs::read_dir(log.path("")).unwrap().filter(|entry| {
            let path = entry.as_ref().unwrap().path();
            path.extension().is_some_and(|ending| ending == "zst")
        });
        assert!(closed.count() > 9, "segments of few receipts");
        assert_eq!(count(&mut follower, &mut db), 50, "all are compressed");
        assert_eq!(count(&mut log.follower(), &mut db), 50, "a new process");
        let other = Log::new();
        assert_eq!(
            count(&mut log.follower(), &mut other.db()),
            50,
            "a new database gets all"
        );
    }
}

#[test]
fn a_new_process_counts_the_rest_of_a_segment_that_was_compressed_meanwhile() {
    let mut log = Log::new();
    let mut sink = log.sink(4_000);
    for _ in 0..3 {
        let line = log.line(&json!({}));
        sink.append(line.as_bytes()).unwrap();
    }
    assert_eq!(count(&mut log.follower(), &mut log.db()), 3, "the open one");
    for _ in 0..20 {
        let line = log.line(&json!({}));
        sink.append(line.as_bytes()).unwrap();
    }
    log.compress();
    let step = log.follower().catch_up(&mut log.db(), NOW).unwrap();
    assert_eq!(step.receipts, 20, "only what is new");
}

#[test]
fn a_compressed_segment_that_was_read_is_known_by_its_seal() {
    let mut log = Log::new();
    let (mut db, mut follower) = (log.db(), log.follower());
    let mut sink = log.sink(1_000);
    for written in 1..=4 {
        let line = log.line(&json!({}));
        sink.append(line.as_bytes()).unwrap();
        assert_eq!(count(&mut follower, &mut db), written, "as it is written");
    }
    log.compress();
    let path = log.path("receipts.jsonl.000001.zst");
    let mut bytes = fs::read(&path).unwrap();
    bytes[..8].fill(0);
    fs::write(&path, bytes).unwrap();
    assert_eq!(
        count(&mut log.follower(), &mut db),
        4,
        "its lines, which can't be read any more, are not looked at"
    );
    let other = Log::new();
    log.follower().catch_up(&mut other.db(), NOW).unwrap();
    assert_eq!(
        names(&other.db()),
        ["receipts.jsonl.000001.zst"],
        "whoever needs them is told"
    );
}

#[test]
fn the_end_of_a_file_that_was_moved_away_counts_even_if_it_is_long() {
    let mut log = Log::new();
    let (mut db, mut follower) = (log.db(), log.follower());
    (0..10_000).for_each(|_| log.receipt(&json!({})));
    let step = follower.step(&mut db, NOW).unwrap();
    assert!(step.is_behind, "a part: {step:?}");
    fs::rename(log.path("receipts.jsonl"), log.path("elsewhere")).unwrap();
    log.receipt(&json!({}));
    assert_eq!(count(&mut follower, &mut db), 10_001, "all of both");
    assert_eq!(count(&mut log.follower(), &mut db), 10_001, "once");
}

#[test]
fn a_step_that_fails_does_not_forget_a_file_that_was_moved_away() {
    let mut log = Log::new();
    let (mut db, mut follower) = (log.db(), log.follower());
    log.receipt(&json!({}));
    assert_eq!(count(&mut follower, &mut db), 1, "the open file");
    log.receipt(&json!({}));
    fs::rename(log.path("receipts.jsonl"), log.path("elsewhere")).unwrap();
    let full =
        "CREATE TRIGGER full BEFORE INSERT ON segments BEGIN SELECT RAISE(ABORT, 'full'); END";
    db.execute_batch(full).unwrap();
    assert!(follower.catch_up(&mut db, NOW).is_err(), "no room");
    db.execute_batch("DROP TRIGGER full").unwrap();
    assert_eq!(count(&mut follower, &mut db), 2, "its end");
}

#[test]
fn a_file_of_an_earlier_version_stays_the_same_when_it_gets_a_chain() {
    let mut log = Log::new();
    let (mut db, mut follower) = (log.db(), log.follower());
    log.receipt(&json!({}));
    log.receipt(&json!({}));
    assert_eq!(count(&mut follower, &mut db), 2, "without a chain");
    let mut sink = log.sink(1_000);
    for written in 3..=9 {
        let line = log.line(&json!({}));
        sink.append(line.as_bytes()).unwrap();
        assert_eq!(count(&mut follower, &mut db), written, "with one");
    }
    log.compress();
    assert_eq!(count(&mut log.follower(), &mut db), 9, "each once");
}

#[test]
fn a_damaged_segment_is_left_out_until_it_is_mended_and_all_others_count() {
    let mut log = Log::new();
    let mut sink = log.sink(1_500);
    for _ in 0..20 {
        let line = log.line(&json!({}));
        sink.append(line.as_bytes()).unwrap();
    }
    log.compress();
    let path = log.path("receipts.jsonl.000002.zst");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let (mut db, mut follower) = (log.db(), log.follower());
    let counted = count(&mut follower, &mut db);
    assert!((10..20).contains(&counted), "all but some: {counted}");
    assert_eq!(names(&db), ["receipts.jsonl.000002.zst"], "it is told");
    assert_eq!(
        count(&mut log.follower(), &mut db),
        counted,
        "the same for a new process"
    );
    fs::write(&path, whole).unwrap();
    assert_eq!(
        count(&mut follower, &mut db),
        20,
        "each once, when it is mended"
    );
    assert!(names(&db).is_empty(), "nothing is missing any more");
}

#[test]
fn receipts_of_the_rotation_before_chains_count_and_are_found() {
    let mut log = Log::new();
    for (name, id) in [
        ("receipts.jsonl.10", "r1"),
        ("receipts.jsonl.2", "r2"),
        ("receipts.jsonl.1", "r3"),
        ("receipts.jsonl", "r4"),
    ] {
        let line = log.line(&json!({ "id": id }));
        log.append(name, &line);
    }
    let (mut db, mut follower) = (log.db(), log.follower());
    assert_eq!(count(&mut follower, &mut db), 4, "all of them");
    assert_eq!(count(&mut follower, &mut db), 4, "once");
    let source = Source {
        path: log.path("receipts.jsonl"),
        kind: Kind::Evidence,
    };
    let found = search(&[source], &Wanted::default(), 10).unwrap();
    let id = |line: &Vec<u8>| serde_json::from_slice::<Value>(line).unwrap()["id"].clone();
    let ids: Vec<_> = found.lines.iter().map(id).collect();
    assert_eq!(ids, ["r4", "r3", "r2", "r1"], "the last first");
}

#[test]
fn a_segment_from_which_fields_were_removed_counts_once_however_far_it_was_read() {
    let mut log = Log::new();
    let mut sink = log.sink(4_000);
    let append = |sink: &mut Segments, log: &mut Log| {
        let line = log.line(&json!({}));
        sink.append(line.as_bytes()).unwrap();
    };
    (0..3).for_each(|_| append(&mut sink, &mut log));
    let (mut part, mut whole) = (log.db(), Log::new().db());
    assert_eq!(
        count(&mut log.follower(), &mut part),
        3,
        "a part of the first"
    );
    (3..30).for_each(|_| append(&mut sink, &mut log));
    drop(sink);
    log.compress();
    assert_eq!(count(&mut log.follower(), &mut whole), 30, "all of it");

    let mut written = 30;
    let mut sink = log.forgetting(4_000, |line| {
        let mut receipt: Value = serde_json::from_slice(line).unwrap();
        receipt.as_object_mut().unwrap().remove("user");
        receipt.to_string().into_bytes()
    });
    let is_done = |log: &Log| {
        let report = verify(&log.path("receipts.jsonl"), None).unwrap();
        assert!(report.is_intact(), "{report:?}");
        let findings = report.findings.iter();
        findings
            .map(|finding| &finding.problem)
            .any(|problem| matches!(problem, Problem::Without(1, _)))
    };
    while !is_done(&log) {
        append(&mut sink, &mut log);
        written += 1;
        std::thread::yield_now();
    }
    for (db, told) in [
        (&mut part, "what was read before the rule"),
        (&mut whole, "all was read before it"),
        (&mut Log::new().db(), "nothing was"),
    ] {
        assert_eq!(count(&mut log.follower(), db), written, "{told}");
        assert_eq!(count(&mut log.follower(), db), written, "{told}, and again");
    }
    let source = Source {
        path: log.path("receipts.jsonl"),
        kind: Kind::Evidence,
    };
    let mut without = 0;
    let damaged = for_each_line(&[source], |line| {
        let receipt: Value = serde_json::from_slice(line).unwrap();
        without += usize::from(receipt.get("user").is_none());
    });
    assert_eq!(damaged.unwrap(), [], "all can be read");
    assert!(without > 3, "the field is gone: {without}");
}
