//! The records of the log, as numbered lines of JSON, and balances in transit.
//!
//! The socket and the spool use the same lines. A spool or the other process may be of an older version, so members that
//! a version adds to a record are optional, and unknown members are ignored.

use std::io;

use serde::{Deserialize, Serialize};
use witgate_ledger::{BalanceKey, Carried, Change, Step, Unit, UnixMillis, Window};

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
        step: String,
        changes: Vec<ChangeRecord>,
    },
    /// Receipts, as lines for the receipts file.
    Receipts(String),
}

/// The key of a balance.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    account: String,
    window: String,
    unit: String,
    resets_at: Option<u64>,
}

/// A [`Change`].
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChangeRecord {
    balance: KeyRecord,
    /// The owner; empty in records of versions without owners.
    #[serde(default)]
    owner: String,
    limit: u64,
    held: (u128, u128),
    floor: (u64, u64),
    used: u128,
}

/// A [`Carried`].
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CarriedRecord {
    balance: KeyRecord,
    /// The owner; empty in records of versions without owners.
    #[serde(default)]
    owner: String,
    limit: u64,
    used: u128,
    held: u128,
    floor: u128,
    holds: u64,
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

// === impl Event ===

impl Event {
    pub(crate) fn hold(step: Step, changes: &[Change]) -> Self {
        Self::Hold {
            step: step.code().to_owned(),
            changes: changes.iter().map(ChangeRecord::of).collect(),
        }
    }
}

/// Returns the step with this code.
pub(crate) fn step(code: &str) -> io::Result<Step> {
    Step::ALL
        .into_iter()
        .find(|step| step.code() == code)
        .ok_or_else(|| invalid("unknown step of a hold"))
}

// === impl KeyRecord ===

impl KeyRecord {
    fn of(key: &BalanceKey) -> Self {
        Self {
            account: key.account.to_string(),
            window: key.window.code().to_owned(),
            unit: key.unit.code().to_owned(),
            resets_at: key.resets_at.map(|at| at.0),
        }
    }

    fn read(&self) -> io::Result<BalanceKey> {
        let unknown = |error: witgate_ledger::UnknownCode| invalid(&error.to_string());
        Ok(BalanceKey {
            account: self.account.as_str().into(),
            window: Window::parse(&self.window).map_err(unknown)?,
            unit: Unit::parse(&self.unit).map_err(unknown)?,
            resets_at: self.resets_at.map(UnixMillis),
        })
    }
}

// === impl ChangeRecord ===

impl ChangeRecord {
    fn of(change: &Change) -> Self {
        Self {
            balance: KeyRecord::of(&change.balance),
            owner: change.owner.to_string(),
            limit: change.limit,
            held: change.held,
            floor: change.floor,
            used: change.used,
        }
    }

    pub(crate) fn read(&self) -> io::Result<Change> {
        Ok(Change {
            balance: self.balance.read()?,
            owner: self.owner.as_str().into(),
            limit: self.limit,
            held: self.held,
            floor: self.floor,
            used: self.used,
        })
    }
}

// === impl CarriedRecord ===

impl CarriedRecord {
    pub(crate) fn of(carried: &Carried) -> Self {
        Self {
            balance: KeyRecord::of(&carried.balance),
            owner: carried.owner.to_string(),
            limit: carried.limit,
            used: carried.used,
            held: carried.held,
            floor: carried.floor,
            holds: carried.holds,
        }
    }

    pub(crate) fn read(&self) -> io::Result<Carried> {
        Ok(Carried {
            balance: self.balance.read()?,
            owner: self.owner.as_str().into(),
            limit: self.limit,
            used: self.used,
            held: self.held,
            floor: self.floor,
            holds: self.holds,
        })
    }
}

#[cfg(test)]
mod tests {
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
                event: Event::hold(Step::Extended, std::slice::from_ref(&change)),
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
        let Event::Hold {
            step: code,
            changes,
        } = &read[0].event
        else {
            panic!("a step of a hold");
        };
        assert_eq!(step(code).unwrap(), Step::Extended, "the step");
        assert_eq!(changes[0].read().unwrap(), change, "and the change");
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
        let change: ChangeRecord = serde_json::from_str(&change).unwrap();
        assert_eq!(&*change.read().unwrap().owner, "", "a step of a hold");
        let carried =
            format!(r#"{{"balance":{key},"limit":1,"used":2,"held":3,"floor":4,"holds":5}}"#);
        let carried: CarriedRecord = serde_json::from_str(&carried).unwrap();
        assert_eq!(&*carried.read().unwrap().owner, "", "a balance");
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
        let line = serde_json::to_string(&CarriedRecord::of(&carried)).unwrap();
        let read: CarriedRecord = serde_json::from_str(&line).unwrap();
        assert_eq!(read.read().unwrap(), carried, "as it was");
    }
}
