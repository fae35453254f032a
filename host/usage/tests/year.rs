//! A year of a thousand seats, and the time that questions about it take:
//!
//! `cargo test --workspace --test year -- --ignored --nocapture`

#![allow(
    clippy::unwrap_used,
    reason = "the log that the test writes stands outside of it"
)]

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use witgate_usage::query::{Wording, time};
use witgate_usage::{Follower, Keep, Kind, Metadata, Room, Source, open_reader, open_writer};

const SEATS: u64 = 1_000;
const DAYS: u64 = 365;

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

/// Writes a receipt for each seat, model and day, which is as many series and rows as any number of exchanges makes.
fn write(path: &Path, from: i64) -> u64 {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let mut count = 0;
    for day in 0..DAYS {
        for seat in 0..SEATS {
            for model in ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"] {
                count += 1;
                let at = from + i64::try_from(day * 86_400_000 + seat * 80_000).unwrap();
                writeln!(
                    file,
                    "{{\"id\":\"req_wg{count:032x}\",\"started_unix_ms\":{at},\"endpoint\":\"messages\",\"outcome\":\"answered\",\
                     \"key\":\"k{seat}\",\"tenant\":\"t{}\",\"user\":\"u{seat}\",\"session\":\"s{seat}-{day}\",\
                     \"metadata\":{{\"team\":\"team{}\"}},\"model\":{{\"served\":\"{model}\"}},\
                     \"attempts\":{{\"0\":{{\"upstream\":\"anthropic\"}}}},\"usage\":{{\"input_tokens\":1000,\
                     \"output_tokens\":{seat},\"cache_read_input_tokens\":9000}},\"cost_picousd\":{}000,\
                     \"time\":{{\"first_byte_us\":{}000,\"total_us\":{}000}}}}",
                    seat / 100,
                    seat / 25,
                    seat * 7 + day,
                    400 + seat,
                    4_000 + seat * 3
                )
                .unwrap();
            }
        }
    }
    count
}

#[test]
#[ignore = "writes a gigabyte and takes a minute"]
fn a_year_of_a_thousand_seats() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let now = time::time("2026-11-29T12:00:30Z").unwrap();
    let written = write(&at("receipts.jsonl"), now - 364 * 86_400_000);
    let mut db = open_writer(&at("usage.db")).unwrap();
    let source = Source {
        path: at("receipts.jsonl"),
        kind: Kind::Evidence,
    };
    let mut follower = Follower::new(vec![source], vec!["team".into()], KEEP.room);
    let begun = Instant::now();
    let followed = follower.catch_up(&mut db, now).unwrap();
    assert_eq!(
        u64::try_from(followed.receipts).unwrap(),
        written,
        "all of them"
    );
    println!(
        "{written} receipts added up in {:?}; the database has {} MB",
        begun.elapsed(),
        std::fs::metadata(at("usage.db")).unwrap().len() >> 20
    );
    let db = open_reader(&at("usage.db")).unwrap();
    let metadata = Metadata::read(&db).unwrap();
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    for (name, wording) in [
        (
            "the year by tenant and model",
            Wording {
                by: texts(&["tenant", "model"]),
                window: Some("365d".into()),
                ..Wording::default()
            },
        ),
        (
            "the year by user",
            Wording {
                by: texts(&["user"]),
                window: Some("365d".into()),
                limit: Some(10_000),
                ..Wording::default()
            },
        ),
        (
            "the year of a team by user",
            Wording {
                by: texts(&["user"]),
                window: Some("365d".into()),
                only: texts(&["team=team7"]),
                ..Wording::default()
            },
        ),
        (
            "this year per month",
            Wording {
                per: Some("month".into()),
                window: Some("year".into()),
                ..Wording::default()
            },
        ),
        (
            "this month by user",
            Wording {
                by: texts(&["user"]),
                ..Wording::default()
            },
        ),
        (
            "the year with latencies",
            Wording {
                window: Some("365d".into()),
                latencies: true,
                ..Wording::default()
            },
        ),
        (
            "30 days per day",
            Wording {
                per: Some("day".into()),
                window: Some("30d".into()),
                ..Wording::default()
            },
        ),
        (
            "today by session",
            Wording {
                by: texts(&["session"]),
                window: Some("day".into()),
                ..Wording::default()
            },
        ),
    ] {
        let query = wording.query(&metadata, now).unwrap();
        let mut best = None;
        for _ in 0..5 {
            let begun = Instant::now();
            let report = query.ask(&db, &KEEP, now).unwrap();
            let took = begun.elapsed();
            best = Some(best.map_or(took, |best: std::time::Duration| best.min(took)));
            assert!(!report.rows.is_empty(), "{name} has an answer");
        }
        println!("{name}: {:?}", best.unwrap());
    }
}
