//! Single receipts, found in the files.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, UNIX_EPOCH};

use memchr::memmem;
use serde_json::Value;
use witgate_audit::segments::{Segment, list};

use crate::damage::Damage;
use crate::database::UsageError;
use crate::record::find;
use crate::source::Source;

/// The receipts that are wanted: those to which all of it applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The earliest beginning, in Unix milliseconds.
    pub from_unix_ms: Option<i64>,
    /// The time before which it has to begin, in Unix milliseconds.
    pub to_unix_ms: Option<i64>,
    /// Dotted names of fields and their values as text.
    pub fields: Vec<(String, String)>,
}

// === impl Wanted ===

impl Wanted {
    /// Returns whether a line is a receipt that is wanted.
    #[must_use]
    pub fn matches(&self, line: &[u8]) -> bool {
        // A value that JSON writes as it is has to be on the line: most lines need no more than this look.
        let plain = |value: &str| {
            value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/@ ".contains(&byte))
        };
        let may = self
            .fields
            .iter()
            .all(|(_, value)| !plain(value) || memmem::find(line, value.as_bytes()).is_some());
        may && serde_json::from_slice(line).is_ok_and(|receipt| self.is_met_by(&receipt))
    }

    fn is_met_by(&self, receipt: &Value) -> bool {
        let started = receipt.get("started_unix_ms").and_then(Value::as_i64);
        let is_after = |from: i64| started.is_some_and(|started| started >= from);
        let is_before = |to: i64| started.is_some_and(|started| started < to);
        self.from_unix_ms.is_none_or(is_after)
            && self.to_unix_ms.is_none_or(is_before)
            && self.fields.iter().all(|(name, wanted)| {
                match find(receipt, name) {
                    Some(Value::String(text)) => text == wanted,
                    Some(value @ (Value::Number(_) | Value::Bool(_))) => {
                        let text = value.to_string();
                        text == *wanted
                    }
                    Some(Value::Null | Value::Array(_) | Value::Object(_)) => false,
                    // An empty value stands for receipts without the field.
                    None => wanted.is_empty(),
                }
            })
    }
}

/// The receipts that a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The receipts as they were written.
    pub lines: Vec<Vec<u8>>,
    /// Closed segments that can't be read to their ends, in which there may be more.
    pub damaged: Vec<Damage>,
}

/// Returns up to `limit` receipts that are wanted, the last written first, from all files of the logs.
///
/// # Errors
///
/// An open file can't be read.
pub fn search(sources: &[Source], wanted: &Wanted, limit: usize) -> Result<Found, UsageError> {
    let (mut found, mut damaged) = (Vec::new(), Vec::new());
    let earliest = wanted.from_unix_ms.and_then(|from| from.try_into().ok());
    let earliest = earliest.map(|from| UNIX_EPOCH + Duration::from_millis(from));
    for source in sources {
        let mut of_source = Vec::new();
        let failed = |error| source.failed(error);
        for segment in list(&source.path).map_err(failed)?.iter().rev() {
            let room = limit - of_source.len().min(limit);
            // A receipt is written after its beginning.
            if room == 0 || earliest.is_some_and(|earliest| segment.is_before(earliest)) {
                break;
            }
            let mut last = VecDeque::new();
            let read = each_line(segment, &mut |line| {
                if wanted.matches(line) {
                    if last.len() == room {
                        last.pop_front();
                    }
                    last.push_back(line.to_vec());
                }
            });
            damaged.extend(unless_open(segment, read).map_err(failed)?);
            of_source.extend(last.into_iter().rev());
        }
        found.extend(of_source);
    }
    if sources.len() > 1 {
        found.sort_by_cached_key(|line| std::cmp::Reverse(started(line)));
    }
    found.truncate(limit);
    Ok(Found {
        lines: found,
        damaged,
    })
}

/// Calls `each` for every line of the logs, from the oldest. Returns the closed segments that can't be read to their ends.
///
/// # Errors
///
/// An open file can't be read.
pub fn for_each_line(
    sources: &[Source],
    mut each: impl FnMut(&[u8]),
) -> Result<Vec<Damage>, UsageError> {
    let mut damaged = Vec::new();
    for source in sources {
        let failed = |error| source.failed(error);
        for segment in list(&source.path).map_err(failed)? {
            let read = each_line(&segment, &mut each);
            damaged.extend(unless_open(&segment, read).map_err(failed)?);
        }
    }
    Ok(damaged)
}

fn each_line(segment: &Segment, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let Some(mut lines) = segment.lines(0)? else {
        return Ok(());
    };
    let mut line = Vec::new();
    while lines.read(&mut line)? {
        each(&line);
    }
    Ok(())
}

/// Returns the damage of a closed segment, or the error of an open one.
fn unless_open(segment: &Segment, read: io::Result<()>) -> io::Result<Option<Damage>> {
    match read {
        Ok(()) => Ok(None),
        Err(error) if segment.is_open() => Err(error),
        Err(error) => Ok(Some(Damage {
            path: segment.path().display().to_string(),
            error: error.to_string(),
        })),
    }
}

fn started(line: &[u8]) -> Option<i64> {
    let receipt: Value = serde_json::from_slice(line).ok()?;
    receipt.get("started_unix_ms")?.as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Kind;

    #[test]
    fn receipts_are_found_by_any_field_the_last_first_in_all_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let line =
            |id: u32, more: &str| format!("{{\"id\":\"r{id}\",\"started_unix_ms\":{id}{more}}}\n");
        let old = line(1, r#","key":"k","metadata":{"team":{"name":"a"}}"#)
            + &line(2, r#","key":"other""#);
        std::fs::write(
            at("r.jsonl.000001.zst"),
            zstd::encode_all(old.as_bytes(), 1).unwrap(),
        )
        .unwrap();
        // Rotated by another program, under a date.
        std::fs::write(at("r.jsonl.20261129"), line(9, r#","key":"k""#)).unwrap();
        std::fs::write(at("r.jsonl.000002"), line(3, r#","key":"k","status":200"#)).unwrap();
        std::fs::write(at("r.jsonl"), line(5, r#","key":"k""#) + "{\"id\":\"cut").unwrap();
        std::fs::write(
            at("refused.jsonl"),
            line(4, r#","key":"k","session":"x \"y\"""#),
        )
        .unwrap();
        let source = |name: &str, kind| Source {
            path: at(name),
            kind,
        };
        let sources = [
            source("r.jsonl", Kind::Evidence),
            source("refused.jsonl", Kind::Refusals),
        ];
        let found = |fields: &[(&str, &str)], times: (Option<i64>, Option<i64>), limit: usize| {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let wanted = Wanted {
                from_unix_ms: times.0,
                to_unix_ms: times.1,
                fields: fields.iter().map(owned).collect(),
            };
            let lines = search(&sources, &wanted, limit).unwrap().lines;
            let id = |line: &Vec<u8>| {
                serde_json::from_slice::<Value>(line).unwrap()["id"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            };
            lines.iter().map(id).collect::<Vec<_>>()
        };
        let all = (None, None);
        assert_eq!(
            found(&[("key", "k")], all, 10),
            ["r5", "r4", "r3", "r1"],
            "by key"
        );
        assert_eq!(
            found(&[("key", "k")], all, 2),
            ["r5", "r4"],
            "no more than asked for"
        );
        assert_eq!(
            found(&[("metadata.team.name", "a")], all, 10),
            ["r1"],
            "by metadata"
        );
        assert_eq!(found(&[("status", "200")], all, 10), ["r3"], "by a number");
        assert_eq!(
            found(&[("session", "x \"y\"")], all, 10),
            ["r4"],
            "by a text that JSON escapes"
        );
        assert_eq!(
            found(&[("key", "k"), ("session", "")], all, 10),
            ["r5", "r3", "r1"],
            "without a session"
        );
        assert_eq!(found(&[], (Some(2), Some(4)), 10), ["r3", "r2"], "by time");
    }
}
