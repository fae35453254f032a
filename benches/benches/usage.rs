//! Questions about a year of a thousand seats, eleven million exchanges, which roll-ups answer.
//!
//! Baselines: the same sums from the roll-ups of days alone, by SQL, and from plain receipts.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench that prints its figures, and says so by panicking if it can't go on"
)]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::num::NonZeroU64;
use std::path::Path;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::Value;
use witgate_audit::Sink as _;
use witgate_audit::segments::{Retention, Rotation, Segments};
use witgate_usage::query::{Wording, time};
use witgate_usage::{
    Follower, Keep, Kind, Metadata, Room, Source, Zone, for_each_line, open_reader, open_writer,
};

const NOW: &str = "2026-11-29T12:00:30Z";

/// Receipts of the baseline, which takes as long for each.
const PLAIN: u64 = 50_000;

const KEEP: Keep = Keep {
    minutes: 2,
    hours: 62,
    days: 800,
    sessions: 90,
    room: Room {
        series: 50_000,
        details_a_day: 100_000,
    },
};

/// The series of 1,000 seats that ask three models, half of it by a sub-agent and all of it in one session a day.
const SERIES: &str = "
    CREATE TEMP TABLE seat AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999) SELECT i FROM n;
    CREATE TEMP TABLE day AS SELECT i FROM seat WHERE i < 365;
    CREATE TEMP TABLE model AS SELECT i FROM seat WHERE i < 3;
    CREATE TEMP TABLE agent AS SELECT i FROM seat WHERE i < 2;
    CREATE TEMP TABLE hour AS SELECT i FROM seat WHERE i < 10;

    INSERT INTO names SELECT 1 + i, 'tenant-' || i FROM seat WHERE i < 10;
    INSERT INTO names SELECT 20 + i, 'claude-model-' || i FROM model;
    INSERT INTO names VALUES (30, 'anthropic'), (31, 'agent');
    INSERT INTO names SELECT 100 + i, 'team-' || i FROM seat WHERE i < 40;
    INSERT INTO names SELECT 1000 + i, 'user-' || i FROM seat;
    INSERT INTO names SELECT 2000 + i, 'key-' || i FROM seat;
    INSERT INTO names SELECT 10000 + day.i * 1000 + seat.i, 'session-' || seat.i || '-' || day.i FROM day, seat WHERE day.i < 90;
    INSERT INTO metadata VALUES (0, 'team');

    INSERT INTO series SELECT seat.i * 3 + model.i + 1, 0, 1 + seat.i / 100, 2000 + seat.i, 1000 + seat.i, 20 + model.i, 30, 0, 0,
        100 + seat.i / 25, 0, 0, 0, 0, 0, 0, 0 FROM seat, model;
    INSERT INTO series SELECT 10000 + ((day.i * 1000 + seat.i) * 3 + model.i) * 2 + agent.i, 1, 1 + seat.i / 100, 2000 + seat.i,
        1000 + seat.i, 20 + model.i, 30, 10000 + day.i * 1000 + seat.i, agent.i * 31, 100 + seat.i / 25, 0, 0, 0, 0, 0, 0, 0
        FROM day, seat, model, agent WHERE day.i < 90;
";

/// The place of a series without session and agent.
const PLAIN_SERIES: &str = "seat.i * 3 + model.i + 1";

/// The place of a series with both.
const DETAILED_SERIES: &str = "10000 + ((day.i * 1000 + seat.i) * 3 + model.i) * 2 + agent.i";

/// Returns the statement that adds the sums of some requests to each of the buckets that `from` names.
fn rows(place: &str, series: &str, requests: &str, latencies: &str, from: &str) -> String {
    format!(
        "INSERT INTO rollups SELECT {place}, {series}, {requests}, {requests}, 0, 0, 0, {requests} * 1000, {requests} * 200, \
         {requests} * 9000, 0, 0, 0, {requests} * (seat.i + 7), 123456, {latencies} FROM {from};\n"
    )
}

/// Fills a database as a year of 1,000 seats leaves it who ask each model ten times a day, once in each of ten hours. Rows have the
/// latencies of so many requests.
fn fill(path: &Path) {
    let db = open_writer(path).expect("it is created");
    let (one, ten) = ("x'011e01012b01'", "x'041d021e041f032101042a032b042c022e01'");
    let month = "x'081c0a1d281e641f50201e21142206240408280a29282a642b502c1e2d142e063004'";
    let day = "20786 - day.i";
    let hour = format!("(({day}) * 24 + hour.i) * 60");
    let minute = format!("{hour} + (seat.i * 7 + model.i * 11) % 60");
    let seats = "day, seat, model";
    // Months are those in which the days are.
    let months = "(SELECT (strftime('%Y', (20786 - i) * 86400, 'unixepoch') - 1970) * 12 \
                  + strftime('%m', (20786 - i) * 86400, 'unixepoch') - 1 AS number, count(*) AS days FROM day GROUP BY 1) AS month, \
                  seat, model";
    let years = "(SELECT strftime('%Y', (20786 - i) * 86400, 'unixepoch') - 1970 AS number, count(*) AS days FROM day GROUP BY 1) \
                 AS years, seat, model";
    let mut sql = format!("PRAGMA synchronous = OFF; BEGIN; {SERIES}");
    sql += &rows(
        "0, 0, MINUTE",
        PLAIN_SERIES,
        "1",
        one,
        &format!("{seats}, hour WHERE day.i < 2 ORDER BY 3, 4"),
    )
    .replace("MINUTE", &minute);
    sql += &rows(
        "1, 0, HOUR",
        PLAIN_SERIES,
        "1",
        one,
        &format!("{seats}, hour WHERE day.i < 62 ORDER BY 3, 4"),
    )
    .replace("HOUR", &hour);
    sql += &rows(
        "2, 0, DAY",
        PLAIN_SERIES,
        "10",
        ten,
        &format!("{seats} ORDER BY 3, 4"),
    )
    .replace("DAY", day);
    sql += &rows(
        "3, 0, month.number",
        PLAIN_SERIES,
        "(10 * month.days)",
        month,
        &format!("{months} ORDER BY 3, 4"),
    );
    sql += &rows(
        "4, 0, years.number",
        PLAIN_SERIES,
        "(10 * years.days)",
        month,
        &format!("{years} ORDER BY 3, 4"),
    );
    sql += &rows(
        "1, 1, HOUR",
        DETAILED_SERIES,
        "1",
        one,
        &format!("{seats}, agent, hour WHERE day.i < 62 AND hour.i % 2 = agent.i ORDER BY 3, 4"),
    )
    .replace("HOUR", &hour);
    sql += &rows(
        "2, 1, DAY",
        DETAILED_SERIES,
        "5",
        one,
        &format!("{seats}, agent WHERE day.i < 90 ORDER BY 3, 4"),
    )
    .replace("DAY", day);
    sql += "COMMIT; PRAGMA wal_checkpoint(TRUNCATE);";
    db.execute_batch(&sql).expect("it is filled");
}

/// A hash of a plugin.
const HASH: &str = "9f86d081884c7d659a2feaa0c55ad0159f86d081884c7d659a2feaa0c55ad015";

/// A receipt of the baseline.
fn receipt(number: u64) -> String {
    let seat = number % 1_000;
    format!(
        "{{\"id\":\"req_wg{number:032x}\",\"started_unix_ms\":{},\"endpoint\":\"messages\",\"outcome\":\"answered\",\
         \"status\":200,\"key\":\"key-{seat}\",\"tenant\":\"tenant-{}\",\"user\":\"user-{seat}\",\"session\":\"s-{seat}\",\
         \"metadata\":{{\"team\":\"team-{}\"}},\"model\":{{\"served\":\"claude-model-{}\"}},\"attempts\":{{\"0\":\
         {{\"upstream\":\"anthropic\"}}}},\"usage\":{{\"source\":\"reported\",\"input_tokens\":1000,\"output_tokens\":{seat},\
         \"cache_read_input_tokens\":9000}},\"cost_picousd\":{},\"charges\":{{\"0\":\"775000000 picousd day 1795305600000 user:acme/jane\"}},\
         \"bytes\":{{\"request\":2048,\"response\":1100}},\"time\":{{\"first_byte_us\":{}000,\"total_us\":{}000}},\
         \"plugins\":{{\"envelope\":\"{HASH}\",\"route\":\"{HASH}\",\"budget\":\"{HASH}\"}}}}\n",
        1_795_000_000_000 + number,
        seat / 100,
        seat / 25,
        number % 3,
        seat * 7_000,
        400 + seat,
        4_000 + seat * 3
    )
}

/// The questions, each with a name.
fn questions() -> Vec<(&'static str, Wording)> {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let of = |by: &[&str], window: &str| Wording {
        by: texts(by),
        window: Some(window.into()),
        limit: Some(10_000),
        ..Wording::default()
    };
    vec![
        (
            "the year by tenant and model",
            of(&["tenant", "model"], "365d"),
        ),
        ("the year by user", of(&["user"], "365d")),
        (
            "the year of a team by user",
            Wording {
                only: texts(&["team=team-7"]),
                ..of(&["user"], "365d")
            },
        ),
        ("this year by user", of(&["user"], "year")),
        (
            "the year by user, per month",
            Wording {
                per: Some("month".into()),
                ..of(&["user"], "365d")
            },
        ),
        (
            "the year of a key, per month",
            Wording {
                per: Some("month".into()),
                only: texts(&["key=key-7"]),
                ..of(&[], "365d")
            },
        ),
        (
            "the year with latencies",
            Wording {
                latencies: true,
                ..of(&["model"], "365d")
            },
        ),
        ("the month by user", of(&["user"], "month")),
        (
            "30 days per day by tenant",
            Wording {
                per: Some("day".into()),
                ..of(&["tenant"], "30d")
            },
        ),
        ("a week by session", of(&["session"], "7d")),
    ]
}

fn year(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("usage.db");
    let since = Instant::now();
    fill(&path);
    let size = fs::metadata(&path).expect("it is there").len() >> 20;
    println!(
        "a year of 1,000 seats, 10,950,000 exchanges: {size} MB, filled in {:.1?}",
        since.elapsed()
    );

    let db = open_reader(&path).expect("it is there");
    let metadata = Metadata::read(&db).expect("it can be read");
    let now = time::time(NOW, Zone::UTC).expect("a time");
    let mut group = c.benchmark_group("usage_of_a_year");
    group.sample_size(20);
    for (name, wording) in questions() {
        let query = wording
            .query(&metadata, Zone::UTC, now)
            .expect("a question");
        let report = query.ask(&db, &KEEP, now).expect("an answer");
        assert!(!report.rows.is_empty(), "{name} has an answer");
        group.bench_function(name, |b| {
            b.iter(|| black_box(query.ask(&db, &KEEP, now).expect("an answer")));
        });
    }
    let days = "SELECT user, sum(requests), sum(microusd), sum(picousd) FROM rollups JOIN series ON series.id = rollups.series \
                WHERE grain = 2 AND rollups.detail = 0 AND bucket > 20786 - 365 GROUP BY user";
    group.sample_size(10);
    group.bench_function("baseline: the year by user from days, in SQL", |b| {
        b.iter(|| {
            let mut select = db.prepare(days).expect("a statement");
            let mut rows = select.query([]).expect("an answer");
            let mut users = 0;
            while let Some(row) = rows.next().expect("a row") {
                users += row.get::<_, i64>(0).map_or(0, |_| 1);
            }
            assert_eq!(users, 1_000, "of the seats");
        });
    });
    group.finish();
}

/// Returns the cost of each user by the receipts themselves.
fn by_user(sources: &[Source]) -> HashMap<String, u64> {
    let mut costs = HashMap::new();
    let each = |line: &[u8]| {
        let receipt: Value = serde_json::from_slice(line).expect("a receipt");
        let user = receipt["user"].as_str().unwrap_or_default().to_owned();
        *costs.entry(user).or_default() += receipt["cost_picousd"].as_u64().unwrap_or(0);
    };
    for_each_line(sources, each).expect("they can be read");
    costs
}

fn receipts(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("receipts.jsonl");
    let mut text = String::new();
    for number in 0..PLAIN {
        let _ = write!(text, "{}", receipt(number));
    }
    let rotation = Rotation {
        max_bytes: NonZeroU64::MAX,
        retention: Retention::default(),
        rule: None,
    };
    let mut sink = Segments::new(&path, rotation);
    sink.append(text.as_bytes()).expect("it is written");
    let sources = vec![Source {
        path,
        kind: Kind::Evidence,
    }];
    let mut group = c.benchmark_group("usage_of_50_000_receipts");
    group.sample_size(10);
    group.throughput(Throughput::Elements(PLAIN));
    group.bench_function("baseline: cost by user from plain receipts", |b| {
        b.iter(|| assert_eq!(by_user(&sources).len(), 1_000, "of the seats"));
    });
    let mut number = 0;
    group.bench_function("added to the roll-ups", |b| {
        b.iter(|| {
            number += 1;
            let mut db =
                open_writer(&folder.path().join(format!("{number}.db"))).expect("it is created");
            let mut follower =
                Follower::new(sources.clone(), vec!["team".into()], Zone::UTC, KEEP.room);
            let followed = follower
                .catch_up(&mut db, 1_795_000_000_000)
                .expect("it is added");
            assert_eq!(followed.receipts as u64, PLAIN, "all of them");
        });
    });
    group.finish();
}

criterion_group!(benches, year, receipts);
criterion_main!(benches);
