//! The sums: told apart, bounded, and kept as long as they should be.

use serde_json::json;
use witgate_usage::query::Query;
use witgate_usage::query::time;
use witgate_usage::{Dimension, Grain, Room, UsageError, Zone, clean, open_reader, sessions};

use crate::log::{DAY, KEEP, Log, NOW, ask, query, rows};

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
    assert!(
        clean(&mut db, &KEEP, Zone::UTC, NOW).unwrap() > 0,
        "some is too old"
    );
    assert_eq!(
        clean(&mut db, &KEEP, Zone::UTC, NOW).unwrap(),
        0,
        "once an hour"
    );
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

/// Returns the requests of each row with its beginning.
fn per(db: &rusqlite::Connection, zone: Zone, per: Grain, since: &str) -> Vec<(String, u64)> {
    let query = Query {
        per: Some(per),
        zone,
        from_unix_ms: time::time(since, zone).unwrap(),
        ..query(&[])
    };
    let rows = ask(db, &query).rows.into_iter();
    rows.map(|row| {
        (
            time::text_in(zone, row.at_unix_ms.unwrap()),
            row.sums.requests,
        )
    })
    .collect()
}

#[test]
fn days_and_months_are_those_of_the_zone_when_clocks_are_set() {
    let mut log = Log::new();
    let zone = Zone::parse("Europe/Berlin").unwrap();
    let (mut db, mut follower) = (log.db(), log.follower_in(zone, KEEP.room));
    for at in [
        "2026-10-25T00:30:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T23:30:00+01:00",
        "2026-10-26T00:30:00+01:00",
        "2026-10-31T23:59:00+01:00",
        "2026-11-01T00:00:00+01:00",
    ] {
        log.receipt(&json!({"started_unix_ms": time::time(at, zone)}));
    }
    follower.catch_up(&mut db, NOW).unwrap();
    let day = |text: &str, count| {
        (
            format!(
                "{text}T00:00:00+0{}:00",
                if text < "2026-10-26" { 2 } else { 1 }
            ),
            count,
        )
    };
    assert_eq!(
        per(&db, zone, Grain::Day, "2026-10-20"),
        [
            day("2026-10-25", 4),
            day("2026-10-26", 1),
            day("2026-10-31", 1),
            day("2026-11-01", 1)
        ],
        "a day of 25 hours is one day"
    );
    assert_eq!(
        per(&db, zone, Grain::Month, "2026-10"),
        [
            ("2026-10-01T00:00:00+02:00".to_owned(), 6),
            ("2026-11-01T00:00:00+01:00".to_owned(), 1)
        ],
        "months end at local midnight"
    );
    assert_eq!(
        per(&db, zone, Grain::Hour, "2026-10-25")[1..3],
        [
            ("2026-10-25T02:00:00+02:00".to_owned(), 1),
            ("2026-10-25T02:00:00+01:00".to_owned(), 1)
        ],
        "the hour that comes twice is two"
    );
}

#[test]
fn sums_of_an_earlier_version_stay() {
    let mut log = Log::new();
    let mut db = log.db();
    log.receipt(&json!({"started_unix_ms": NOW - 10 * DAY}));
    log.follower().catch_up(&mut db, NOW).unwrap();
    // As the first version of the database had it.
    db.execute_batch(
        "DROP TABLE damaged; DROP TABLE keys; DROP TABLE zone; ALTER TABLE segments DROP COLUMN record; UPDATE rollups SET bucket = bucket / 60 WHERE grain = 1; DELETE FROM rollups WHERE grain = 4; PRAGMA user_version = 1",
    )
    .unwrap();
    drop(db);
    let db = log.db();
    assert_eq!(
        per(&db, Zone::UTC, Grain::Hour, "2026-11-18"),
        [("2026-11-19T12:00:00Z".to_owned(), 1)],
        "at its hour"
    );
    assert_eq!(
        per(&db, Zone::UTC, Grain::Year, "2026-01"),
        [("2026-01-01T00:00:00Z".to_owned(), 1)],
        "and in its year"
    );
}
