//! The sums after a kill, on a full disk, and of keys that were used long ago.

use serde_json::{Value, json};
use witgate_usage::query::Query;
use witgate_usage::{Dimension, last_use};

use crate::log::{DAY, Log, NOW, ask, query, rows};

/// Returns the sum of a field of all receipts, by its pointer.
fn sum(receipts: &[Value], field: &str) -> u64 {
    let values = receipts.iter().filter_map(|it| it.pointer(field)?.as_u64());
    values.sum()
}

#[test]
fn what_a_kill_left_counts_with_its_kinds_its_cost_and_its_requests() {
    let mut log = Log::new();
    let (mut db, mut follower) = (log.db(), log.follower());
    let crash = |outcome: &str, amounts: Value, cost: u64| {
        json!({"endpoint": "crash-settlement", "outcome": outcome, "key": null, "tenant": null, "user": null, "session": null,
            "usage": null, "model": null, "attempts": null, "time": null, "cost_picousd": cost, "crash": amounts})
    };
    let receipts = [
        crash(
            "crash-estimated",
            json!({"owner": "acme", "tokens": 4_321, "input_tokens": 4_001, "output_tokens": 20, "cached_tokens": 300, "requests": 1}),
            5_000_007,
        ),
        crash(
            "crash-settled",
            json!({"owner": "acme", "tokens": 100, "output_tokens": 60, "requests": 1}),
            11,
        ),
        // Only money was charged, or only what kinds are known of.
        crash(
            "crash-settled",
            json!({"owner": "key:k1", "requests": 2}),
            13,
        ),
        crash(
            "crash-settled",
            json!({"owner": "acme", "input_tokens": 7, "requests": 1}),
            0,
        ),
    ];
    for receipt in &receipts {
        log.receipt(receipt);
    }
    log.receipt(&json!({"tenant": "acme"}));
    follower.catch_up(&mut db, NOW).unwrap();
    let total = ask(&db, &query(&[])).total;
    assert_eq!(
        total.picousd,
        u128::from(sum(&receipts, "/cost_picousd") + 1),
        "cost, to the pico-dollar"
    );
    assert_eq!(
        total.requests,
        sum(&receipts, "/crash/requests") + 1,
        "requests"
    );
    assert_eq!(
        (total.input, total.output, total.cache_read),
        (4_001 + 7 + 10, 20 + 60 + 2, 300 + 30),
        "tokens whose kind is known"
    );
    assert_eq!(total.crash_tokens, 40, "the others");
    assert_eq!(
        total.tokens(),
        sum(&receipts, "/crash/tokens") + 7 + 42,
        "all of them"
    );
    assert_eq!(total.errors, 1, "what was cut off is an error");
    assert_eq!(
        rows(&db, &[Dimension::Tenant, Dimension::Key]),
        [
            ("/k1".to_owned(), 2),
            ("acme/".to_owned(), 3),
            ("acme/k1".to_owned(), 1)
        ],
        "of whom it was charged to"
    );
}

#[test]
fn what_a_full_disk_refuses_is_added_up_when_there_is_room() {
    let mut log = Log::new();
    let (mut db, mut follower) = (log.db(), log.follower());
    log.receipt(&json!({}));
    follower.catch_up(&mut db, NOW).unwrap();
    let pages: i64 = db
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    let bound = |db: &rusqlite::Connection, pages: i64| {
        db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
            .unwrap();
    };
    bound(&db, pages);
    for user in 0..2_000 {
        log.receipt(&json!({"user": format!("a person with a long name {user}")}));
    }
    let error = follower.catch_up(&mut db, NOW).unwrap_err().to_string();
    assert!(error.contains("full"), "the reason: {error}");
    let total = ask(&db, &query(&[])).total;
    assert_eq!(total.requests, 1, "what was there still answers");
    bound(&db, 1_000_000);
    follower.catch_up(&mut db, NOW).unwrap();
    let all = Query {
        most_read: 1_000_000,
        ..query(&[])
    };
    let total = ask(&db, &all).total;
    assert_eq!((total.requests, total.picousd), (2_001, 2_001), "each once");
}

#[test]
fn the_last_use_of_a_key_is_that_of_its_latest_request() {
    let mut log = Log::new();
    let (mut db, mut follower) = (log.db(), log.follower());
    for (key, age) in [("k1", 5), ("k2", 900), ("k1", 3), ("k1", 4)] {
        log.receipt(&json!({"key": key, "started_unix_ms": NOW - age * DAY}));
    }
    log.receipt(
        &json!({"key": "k2", "endpoint": "batch-settlement", "batch": {"ended": "results"}}),
    );
    follower.catch_up(&mut db, NOW).unwrap();
    log.receipt(&json!({"key": "k1", "started_unix_ms": NOW - 6 * DAY}));
    follower.catch_up(&mut db, NOW).unwrap();
    let used = |key: &str| last_use(&db, key).unwrap();
    assert_eq!(used("k1"), Some(NOW - 3 * DAY), "the latest");
    assert_eq!(used("k2"), Some(NOW - 900 * DAY), "a settlement is no use");
    assert_eq!(used("k3"), None, "never");
}
