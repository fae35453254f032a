//! The records of the log, as numbered lines of JSON.
//!
//! The socket and the spool use the same lines. A spool or the other process may be of an older version, so members that
//! a version adds to a record are optional, and unknown members are ignored.

use std::io;

use serde::{Deserialize, Serialize};
use witgate_ledger::{Change, Position, Step};

/// A record of the log. Numbers increase by one.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) number: u64,
    pub(crate) event: Event,
}

/// An event in the old process.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Event {
    /// A step of a hold.
    Hold {
        step: Step,
        changes: Vec<Change>,
        /// The name of a reset, if it has one.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
        /// The place of the step in the journal of the old process, if it has one that lasts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        position: Option<Position>,
    },
    /// Receipts, as lines for the receipts file.
    Receipts(String),
}

/// Returns the error for a message that breaks the protocol.
pub(crate) fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

// === impl Record ===

impl Record {
    /// Returns the record as a line.
    pub(crate) fn line(&self) -> io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }

    /// Reads records from lines. Fails on the first line that is not a record.
    pub(crate) fn read_all(lines: &[u8]) -> io::Result<Vec<Self>> {
        lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| Ok(serde_json::from_slice(line)?))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use witgate_ledger::{BalanceKey, Carried, Unit, UnixMillis, Window};

    use super::*;

    #[test]
    fn records_read_back_as_they_were_written_however_large_the_amounts() {
        let change = Change {
            balance: BalanceKey {
                account: "tenant:\"acme\"\n".into(),
                window: Window::Month,
                unit: Unit::PicoUsd,
                resets_at: Some(UnixMillis(u64::MAX)),
            },
            owner: "key:alice".into(),
            limit: u64::MAX,
            held: (0, u128::MAX),
            floor: (1, u64::MAX),
            used: u128::from(u64::MAX) + 1,
        };
        let records = [
            Record {
                number: 1,
                event: Event::Hold {
                    step: Step::Reset,
                    name: "rst_1".into(),
                    changes: vec![change],
                    position: Some(Position {
                        epoch: 3,
                        sequence: u64::MAX,
                    }),
                },
            },
            Record {
                number: u64::MAX,
                event: Event::Receipts("{\"id\":\"a\"}\n{\"id\":\"b\"}\n".into()),
            },
        ];
        let lines = records.iter().flat_map(|record| record.line().unwrap());
        let lines: Vec<u8> = lines.collect();
        assert_eq!(
            lines.iter().filter(|byte| **byte == b'\n').count(),
            2,
            "a record is one line"
        );
        let read = Record::read_all(&lines).unwrap();
        assert_eq!(read, records, "as it was");
        assert!(
            Record::read_all(b"{\"number\":1}\n").is_err(),
            "half a record is none"
        );
    }

    #[test]
    fn records_of_versions_without_owners_are_read() {
        let key = r#"{"account":"tenant:acme","window":"day","unit":"tokens","resets_at":5}"#;
        let change =
            format!(r#"{{"balance":{key},"limit":1,"held":[0,1],"floor":[0,0],"used":2}}"#);
        let change: Change = serde_json::from_str(&change).unwrap();
        assert_eq!(&*change.owner, "", "a step of a hold");
        let carried =
            format!(r#"{{"balance":{key},"limit":1,"used":2,"held":3,"floor":4,"holds":5}}"#);
        let carried: Carried = serde_json::from_str(&carried).unwrap();
        assert_eq!(&*carried.owner, "", "a balance");
    }

    #[test]
    fn a_balance_reads_back_with_its_owner() {
        let carried = Carried {
            balance: BalanceKey {
                account: "session:1".into(),
                window: Window::Total,
                unit: Unit::Tokens,
                resets_at: None,
            },
            owner: "acme".into(),
            limit: 1,
            used: 2,
            held: 3,
            floor: 4,
            holds: 5,
        };
        let line = serde_json::to_string(&carried).unwrap();
        let read: Carried = serde_json::from_str(&line).unwrap();
        assert_eq!(read, carried, "as it was");
    }

    #[test]
    fn windows_and_units_are_written_as_their_codes() {
        for window in Window::WORDS {
            let written = serde_json::to_value(window).unwrap();
            assert_eq!(written, window.to_string(), "a window");
        }
        for unit in Unit::ALL {
            let written = serde_json::to_value(unit).unwrap();
            assert_eq!(written, unit.code(), "a unit");
        }
    }
}
