//! Receipts as they are read: each once, whoever reads them.

use rusqlite::Connection;
use serde_json::json;
use witgate_usage::query::Query;
use witgate_usage::{Dimension, Metadata};

use crate::log::{Log, NOW, ask, query, rows};

#[test]
fn a_receipt_counts_once_in_every_dimension_however_many_read_it() {
    let mut log = Log::new();
    let (mut db, mut follower) = (log.db(), log.follower());
    let (mut db_2, mut follower_2) = (log.db(), log.follower());
    log.receipt(&json!({"metadata": {"team": "growth"}}));
    log.receipt(&json!({"user": "bob", "session": "s2", "agent": "a1", "model": {"served": "claude-haiku-5"}}));
    let first = follower.catch_up(&mut db, NOW).unwrap();
    assert_eq!(first.receipts, 2, "both are new");
    assert_eq!(
        follower_2.catch_up(&mut db_2, NOW).unwrap().receipts,
        0,
        "another process finds them counted"
    );
    log.receipt(&json!({}));
    assert_eq!(
        follower_2.catch_up(&mut db_2, NOW).unwrap().receipts,
        1,
        "it counts the next"
    );
    assert_eq!(
        follower.catch_up(&mut db, NOW).unwrap().receipts,
        0,
        "which the first does not"
    );

    let team = Metadata::read(&db)
        .unwrap()
        .dimension("team")
        .expect("it has a place");
    for (by, wanted) in [
        (vec![], vec![("", 3)]),
        (vec![Dimension::User], vec![("ann", 2), ("bob", 1)]),
        (
            vec![Dimension::Model],
            vec![("claude-haiku-5", 1), ("claude-opus-5", 2)],
        ),
        (
            vec![Dimension::Tenant, Dimension::Key, Dimension::Upstream],
            vec![("acme/k1/anthropic", 3)],
        ),
        (
            vec![Dimension::Session, Dimension::Agent],
            vec![("s1/", 2), ("s2/a1", 1)],
        ),
        (vec![team], vec![("", 2), ("growth", 1)]),
    ] {
        let wanted: Vec<_> = wanted
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count))
            .collect();
        assert_eq!(rows(&db, &by), wanted, "by {by:?}");
    }
    let report = ask(
        &db,
        &Query {
            latencies: true,
            ..query(&[])
        },
    );
    let sums = &report.total;
    assert_eq!(
        (sums.input, sums.output, sums.cache_read, sums.picousd),
        (30, 6, 90, 3),
        "tokens and cost"
    );
    assert_eq!(sums.cache_hit_percent(), Some(75), "of the prompt");
    assert_eq!(
        sums.first_byte.percentile(50),
        Some(2),
        "milliseconds, rounded up"
    );
    let only = vec![(team, vec!["growth".to_owned()])];
    assert_eq!(
        ask(&db, &Query { only, ..query(&[]) }).total.requests,
        1,
        "where team=growth"
    );
}

#[test]
fn what_a_killed_process_did_not_commit_is_counted_by_the_next() {
    let mut log = Log::new();
    let mut db = log.db();
    (0..10_000).for_each(|_| log.receipt(&json!({})));
    let mut follower = log.follower();
    let step = follower.step(&mut db, NOW).unwrap();
    assert!(step.is_behind && step.receipts < 10_000, "a part: {step:?}");
    // A transaction that a kill cuts leaves nothing.
    let lock = log.db();
    lock.execute_batch("BEGIN IMMEDIATE; UPDATE rollups SET requests = 0; DELETE FROM segments")
        .unwrap();
    drop(lock);
    drop((follower, db));
    let mut db = log.db();
    log.follower().catch_up(&mut db, NOW).unwrap();
    let total = ask(&db, &query(&[])).total;
    assert_eq!(
        (total.requests, total.picousd),
        (10_000, 10_000),
        "each one once"
    );
}

#[test]
fn a_line_counts_when_it_is_whole_and_a_cut_one_never() {
    let mut log = Log::new();
    let (mut db, mut follower) = (log.db(), log.follower());
    log.receipt(&json!({}));
    log.append("receipts.jsonl", "{\"id\":\"half");
    assert_eq!(
        follower.catch_up(&mut db, NOW).unwrap().receipts,
        1,
        "the whole one"
    );
    log.append("receipts.jsonl", "\n");
    log.receipt(&json!({}));
    let step = follower.catch_up(&mut db, NOW).unwrap();
    assert_eq!(
        (step.receipts, step.unreadable),
        (1, 1),
        "the cut one is left out"
    );
}

#[test]
fn a_step_does_not_touch_the_database_while_nothing_happened() {
    let mut log = Log::new();
    let (mut db, mut follower) = (log.db(), log.follower());
    // A step that touches it fails.
    let mut none = Connection::open_in_memory().unwrap();
    log.receipt(&json!({}));
    assert_eq!(
        follower.catch_up(&mut db, NOW).unwrap().receipts,
        1,
        "it is new"
    );
    follower
        .step(&mut none, NOW)
        .expect_err("a fresh folder proves nothing");
    log.age();
    follower.step(&mut db, NOW).unwrap();
    let idle = follower.step(&mut none, NOW).unwrap();
    assert_eq!(idle.receipts, 0, "nothing happened");

    log.receipt(&json!({}));
    follower
        .step(&mut none, NOW)
        .expect_err("a receipt was written");
    assert_eq!(
        follower.step(&mut db, NOW).unwrap().receipts,
        1,
        "which counts after a failure, too"
    );

    // As log rotation does it, before it tells the gateway to open the file anew.
    let moved = log.path("elsewhere");
    std::fs::rename(log.path("receipts.jsonl"), &moved).unwrap();
    log.age();
    follower.step(&mut db, NOW).unwrap();
    let line = log.line(&json!({}));
    log.append("elsewhere", &line);
    assert_eq!(
        follower.step(&mut db, NOW).unwrap().receipts,
        1,
        "a file that was moved away is read on"
    );
}
