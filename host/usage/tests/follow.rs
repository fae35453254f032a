//! Receipts files and the sums that are kept of them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the log that tests write to stands outside of test functions"
)]

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use witgate_usage::query::{Query, Report, Sort};
use witgate_usage::{
    Dimension, Follower, Keep, Kind, Metadata, Room, Source, UsageError, clean, open_reader,
    open_writer, sessions,
};

const NOW: i64 = 1_795_953_630_000; // 2026-11-29T12:00:30Z
const DAY: i64 = 86_400_000;

const KEEP: Keep = Keep {
    minutes: 2,
    hours: 60,
    days: 800,
    sessions: 90,
    room: Room {
        series: 1_000,
        details_a_day: 1_000,
    },
};

struct Log {
    folder: TempDir,
    written: usize,
}

impl Log {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            written: 0,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn db(&self) -> Connection {
        open_writer(&self.path("usage.db")).unwrap()
    }

    fn follower(&self) -> Follower {
        self.follower_with(KEEP.room)
    }

    fn follower_with(&self, room: Room) -> Follower {
        let source = |name, kind| Source {
            path: self.path(name),
            kind,
        };
        let sources = vec![
            source("receipts.jsonl", Kind::Evidence),
            source("receipts-refused.jsonl", Kind::Refusals),
        ];
        Follower::new(sources, vec!["team".into()], room)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path(name))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Writes a receipt that costs one pico-USD, changed as `more` says.
    fn receipt(&mut self, more: &Value) {
        self.written += 1;
        let mut receipt = json!({
            "id": format!("req_wg{}", self.written),
            "started_unix_ms": NOW,
            "endpoint": "messages",
            "outcome": "answered",
            "key": "k1",
            "tenant": "acme",
            "user": "ann",
            "session": "s1",
            "model": {"served": "claude-opus-5"},
            "attempts": {"0": {"upstream": "anthropic"}},
            "usage": {"input_tokens": 10, "output_tokens": 2, "cache_read_input_tokens": 30},
            "cost_picousd": 1,
            "time": {"first_byte_us": 1_500, "total_us": 9_000},
        });
        for (name, value) in more.as_object().unwrap() {
            receipt[name] = value.clone();
        }
        self.append("receipts.jsonl", &format!("{receipt}\n"));
    }
}

fn query(by: &[Dimension]) -> Query {
    Query {
        by: by.to_vec(),
        per: None,
        from_unix_ms: NOW - 400 * DAY,
        to_unix_ms: NOW,
        only: Vec::new(),
        sort: Sort::Cost,
        limit: 100,
        latencies: false,
        most_read: 1_000,
    }
}

fn ask(db: &Connection, query: &Query) -> Report {
    query.ask(db, &KEEP, NOW).unwrap()
}

/// Returns the requests of each row by its values.
fn rows(db: &Connection, by: &[Dimension]) -> Vec<(String, u64)> {
    let report = ask(db, &query(by));
    let text = |values: Vec<Option<String>>| {
        let values: Vec<_> = values.into_iter().map(Option::unwrap_or_default).collect();
        values.join("/")
    };
    let mut rows: Vec<_> = report
        .rows
        .into_iter()
        .map(|row| (text(row.values), row.sums.requests))
        .collect();
    rows.sort();
    rows
}

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
fn files_that_are_rotated_compressed_or_moved_away_lose_and_double_nothing() {
    let mut log = Log::new();
    let mut db = log.db();
    let mut follower = log.follower();
    let mut count = |follower: &mut Follower| {
        follower.catch_up(&mut db, NOW).unwrap();
        ask(&db, &query(&[])).total.requests
    };
    log.receipt(&json!({}));
    log.receipt(&json!({}));
    assert_eq!(count(&mut follower), 2, "the open file");
    log.receipt(&json!({}));
    fs::rename(log.path("receipts.jsonl"), log.path("receipts.jsonl.1")).unwrap();
    log.receipt(&json!({}));
    assert_eq!(
        count(&mut follower),
        4,
        "the end of the old file and the new one"
    );
    let plain = fs::read(log.path("receipts.jsonl.1")).unwrap();
    let sealed = zstd::encode_all(plain.as_slice(), 1).unwrap();
    fs::write(log.path("receipts.jsonl.2.zst"), sealed).unwrap();
    fs::remove_file(log.path("receipts.jsonl.1")).unwrap();
    assert_eq!(count(&mut follower), 4, "a compressed one is the same");
    log.receipt(&json!({}));
    fs::rename(log.path("receipts.jsonl"), log.path("elsewhere")).unwrap();
    assert_eq!(
        count(&mut follower),
        5,
        "the end of one that was moved away"
    );
    assert_eq!(
        count(&mut log.follower()),
        5,
        "a new process finds all counted"
    );
    // A new process that finds a compressed file counts its rest.
    let mut more = Log::new();
    more.receipt(&json!({}));
    more.follower().catch_up(&mut more.db(), NOW).unwrap();
    more.receipt(&json!({}));
    let plain = fs::read(more.path("receipts.jsonl")).unwrap();
    let sealed = zstd::encode_all(plain.as_slice(), 1).unwrap();
    fs::write(more.path("receipts.jsonl.1.zst"), sealed).unwrap();
    fs::remove_file(more.path("receipts.jsonl")).unwrap();
    let step = more.follower().catch_up(&mut more.db(), NOW).unwrap();
    assert_eq!(step.receipts, 1, "only what is new in it");
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
fn outcomes_are_told_apart_and_batches_count_by_model() {
    let mut log = Log::new();
    let (mut db, mut follower) = (log.db(), log.follower());
    let free = |outcome: &str| json!({"outcome": outcome, "usage": null, "cost_picousd": 0});
    for outcome in ["upstream-error", "cut", "client-gone", "stream-error"] {
        log.receipt(&free(outcome));
    }
    let mut refused = free("refused");
    refused["refusal"] = json!({"blame": "upstream"});
    log.receipt(&refused);
    log.receipt(&json!({
        "endpoint": "batch-settlement", "usage": null, "model": null, "cost_picousd": 100,
        "batch": {"ended": "results", "errored": 2, "models": {
            "0": {"model": "claude-opus-5", "messages": 3, "cost_picousd": 60},
            "1": {"model": "claude-haiku-5", "messages": 4, "cost_picousd": 30}}},
    }));
    log.receipt(&json!({
        "endpoint": "crash-settlement", "outcome": "crash-estimated", "key": null, "tenant": null, "usage": null,
        "cost_picousd": 7, "crash": {"owner": "acme", "tokens": 50, "requests": 1},
    }));
    log.append(
        "receipts-refused.jsonl",
        &format!(
            "{}\n",
            json!({"id": "r", "outcome": "refused", "key": "k1", "tenant": "acme",
            "started_unix_ms": NOW, "refusal": {"blame": "policy"}, "left_out": {"receipts": 9}})
        ),
    );
    follower.catch_up(&mut db, NOW).unwrap();
    let report = ask(&db, &query(&[Dimension::Tenant]));
    let sums = &report.rows[0].sums;
    assert_eq!(report.rows.len(), 1, "all are of one tenant: {report:?}");
    assert_eq!(
        (
            sums.requests,
            sums.messages,
            sums.errors,
            sums.client_gone,
            sums.refused
        ),
        (5 + 7 + 2 + 1, 7, 3 + 1 + 2 + 1, 1, 10),
        "requests, messages, errors, clients gone, refusals"
    );
    assert_eq!(
        (sums.picousd, sums.crash_tokens),
        (107, 50),
        "nothing is free"
    );
    let mut by_model = query(&[Dimension::Model]);
    by_model.only = vec![(Dimension::Model, vec!["claude-haiku-5".into()])];
    let haiku = ask(&db, &by_model).total;
    assert_eq!(
        (haiku.messages, haiku.picousd),
        (4, 30),
        "its share of the batch"
    );
}

#[test]
fn a_tenant_beyond_its_room_is_counted_as_a_whole() {
    let mut log = Log::new();
    let mut db = log.db();
    for user in 0..10 {
        log.receipt(&json!({"user": format!("u{user}"), "session": format!("s{user}")}));
    }
    log.receipt(&json!({"tenant": "calm", "key": "k2"}));
    let room = Room {
        series: 3,
        details_a_day: 2,
    };
    log.follower_with(room).catch_up(&mut db, NOW).unwrap();
    let users = rows(&db, &[Dimension::Tenant, Dimension::User]);
    assert_eq!(
        users.len(),
        3 + 1 + 1,
        "three users, the others, and the other tenant: {users:?}"
    );
    assert!(
        users.contains(&("acme/(other)".to_owned(), 7)),
        "the others: {users:?}"
    );
    assert!(
        users.contains(&("calm/ann".to_owned(), 1)),
        "with room of its own: {users:?}"
    );
    let sessions = rows(&db, &[Dimension::Key, Dimension::Session]);
    assert!(
        sessions.contains(&("k1/(other)".to_owned(), 8)),
        "the others: {sessions:?}"
    );
    assert_eq!(
        ask(&db, &query(&[])).total.picousd,
        11,
        "and nothing is lost"
    );
}

#[test]
fn old_minutes_and_hours_go_and_the_sums_stay() {
    let mut log = Log::new();
    let (mut db, mut follower) = (log.db(), log.follower());
    for days in [0, 1, 5, 70, 200] {
        log.receipt(&json!({"started_unix_ms": NOW - days * DAY, "session": format!("s{days}")}));
    }
    follower.catch_up(&mut db, NOW).unwrap();
    assert!(clean(&mut db, &KEEP, NOW).unwrap() > 0, "some is too old");
    assert_eq!(clean(&mut db, &KEEP, NOW).unwrap(), 0, "once an hour");
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let grain = |grain: i64| {
        count(&format!(
            "SELECT count(*) FROM rollups WHERE detail = 0 AND grain = {grain}"
        ))
    };
    assert_eq!(
        [0, 1, 2, 3].map(grain),
        [2, 3, 5, 3],
        "minutes, hours, days, months"
    );
    assert_eq!(ask(&db, &query(&[])).total.requests, 5, "of the year");
    assert_eq!(
        sessions(&db, None, 10, 0).unwrap().len(),
        4,
        "the oldest is forgotten"
    );
    assert_eq!(
        count("SELECT count(*) FROM names WHERE text = 's200'"),
        0,
        "with its name"
    );
    assert_eq!(
        count("SELECT count(*) FROM names WHERE text = 's70'"),
        1,
        "and no other"
    );
    let reader = open_reader(&log.path("usage.db")).unwrap();
    let day = Query {
        from_unix_ms: NOW - 5 * DAY - 3_600_000,
        to_unix_ms: NOW - 5 * DAY + 3_600_000,
        ..query(&[])
    };
    assert_eq!(ask(&reader, &day).total.requests, 1, "an hour of last week");
}

#[test]
fn a_question_about_too_much_is_an_error_and_no_long_wait() {
    let mut log = Log::new();
    let (mut db, mut follower) = (log.db(), log.follower());
    (0..5).for_each(|user| log.receipt(&json!({"user": format!("u{user}")})));
    follower.catch_up(&mut db, NOW).unwrap();
    let asked = |most_read| {
        let query = Query {
            most_read,
            ..query(&[])
        };
        query.ask(&db, &KEEP, NOW)
    };
    assert!(matches!(asked(4), Err(UsageError::TooMuch)), "five series");
    assert_eq!(
        asked(5).unwrap().total.requests,
        5,
        "as many as it may read"
    );
}

#[test]
fn sessions_are_told_with_their_cost_and_turns_for_each_key() {
    let mut log = Log::new();
    let (mut db, mut follower) = (log.db(), log.follower());
    log.receipt(&json!({}));
    log.receipt(&json!({"agent": "a1", "started_unix_ms": NOW + 5}));
    follower.catch_up(&mut db, NOW).unwrap();
    log.receipt(&json!({"key": "k2", "user": null, "started_unix_ms": NOW + 9}));
    follower.catch_up(&mut db, NOW).unwrap();
    let all = sessions(&db, None, 10, 0).unwrap();
    let names: Vec<_> = all
        .iter()
        .map(|it| (it.key.as_str(), it.name.as_str()))
        .collect();
    assert_eq!(
        names,
        [("k2", "s1"), ("k1", "s1")],
        "one for each key, the last seen first"
    );
    let first = &sessions(&db, Some("k1"), 10, 0).unwrap()[0];
    assert_eq!(
        (
            first.requests,
            first.turns,
            first.picousd,
            first.last_unix_ms
        ),
        (2, 1, 2, NOW + 5),
        "a sub-agent's answer is no turn"
    );
    assert_eq!(
        (first.user.as_deref(), all[0].user.as_deref()),
        (Some("ann"), None),
        "its user"
    );
}
