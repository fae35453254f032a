//! A log that tests write to, and the questions about its sums.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use witgate_audit::segments::{Retention, Rotation, Rule, Segments, tidy};
use witgate_usage::query::{Query, Report, Sort};
use witgate_usage::{Dimension, Follower, Keep, Kind, Room, Source, Zone, open_writer};

pub(crate) const NOW: i64 = 1_795_953_630_000; // 2026-11-29T12:00:30Z
pub(crate) const DAY: i64 = 86_400_000;

pub(crate) const KEEP: Keep = Keep {
    minutes: 2,
    hours: 60,
    days: 800,
    sessions: 90,
    room: Room {
        series: 1_000,
        details_a_day: 1_000,
    },
};

/// A folder with receipts files and a database.
pub(crate) struct Log {
    folder: TempDir,
    written: usize,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            written: 0,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn db(&self) -> Connection {
        open_writer(&self.path("usage.db")).unwrap()
    }

    pub(crate) fn follower(&self) -> Follower {
        self.follower_with(KEEP.room)
    }

    pub(crate) fn follower_with(&self, room: Room) -> Follower {
        self.follower_in(Zone::UTC, room)
    }

    pub(crate) fn follower_in(&self, zone: Zone, room: Room) -> Follower {
        let source = |name, kind| Source {
            path: self.path(name),
            kind,
        };
        let sources = vec![
            source("receipts.jsonl", Kind::Evidence),
            source("receipts-refused.jsonl", Kind::Refusals),
        ];
        Follower::new(sources, vec!["team".into()], zone, room)
    }

    pub(crate) fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path(name))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Makes the folder look as if no file had come or gone for long.
    pub(crate) fn age(&self) {
        let past = SystemTime::now() - Duration::from_secs(3600);
        let folder = fs::File::open(self.folder.path()).unwrap();
        folder.set_modified(past).unwrap();
    }

    /// Returns a sink as the gateway's, with segments of this size.
    pub(crate) fn sink(&self, max_bytes: u64) -> Segments {
        let rotation = Rotation {
            max_bytes: NonZeroU64::new(max_bytes).unwrap(),
            retention: Retention::default(),
            rule: None,
        };
        Segments::new(self.path("receipts.jsonl"), rotation)
    }

    /// Returns a sink that removes something from segments once they were compressed.
    pub(crate) fn forgetting(
        &self,
        max_bytes: u64,
        edit: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
    ) -> Segments {
        let rotation = Rotation {
            max_bytes: NonZeroU64::new(max_bytes).unwrap(),
            retention: Retention::default(),
            rule: Some(Rule {
                name: "drop:user".to_owned(),
                age: Duration::ZERO,
                edit: Arc::new(edit),
            }),
        };
        Segments::new(self.path("receipts.jsonl"), rotation)
    }

    /// Compresses all closed segments, with which the thread of a sink may still be busy.
    pub(crate) fn compress(&self) {
        let is_plain = |entry: std::io::Result<fs::DirEntry>| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.starts_with("receipts.jsonl.") && !name.ends_with(".zst")
        };
        while fs::read_dir(self.folder.path()).unwrap().any(is_plain) {
            let path = self.path("receipts.jsonl");
            tidy(&path, &Retention::default(), SystemTime::now()).unwrap();
        }
    }

    /// Writes a receipt that costs one pico-USD, changed as `more` says, as a gateway without chains would.
    pub(crate) fn receipt(&mut self, more: &Value) {
        let line = self.line(more);
        self.append("receipts.jsonl", &line);
    }

    /// Returns the line of the next receipt.
    pub(crate) fn line(&mut self, more: &Value) -> String {
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
        format!("{receipt}\n")
    }
}

pub(crate) fn query(by: &[Dimension]) -> Query {
    Query {
        by: by.to_vec(),
        per: None,
        zone: Zone::UTC,
        from_unix_ms: NOW - 400 * DAY,
        to_unix_ms: NOW,
        only: Vec::new(),
        sort: Sort::Cost,
        limit: 100,
        latencies: false,
        most_read: 1_000,
    }
}

pub(crate) fn ask(db: &Connection, query: &Query) -> Report {
    query.ask(db, &KEEP, NOW).unwrap()
}

/// Returns the requests of each row by its values.
pub(crate) fn rows(db: &Connection, by: &[Dimension]) -> Vec<(String, u64)> {
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
