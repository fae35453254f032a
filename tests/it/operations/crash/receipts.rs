//! The receipts in all segments of their file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::Installation;

/// The receipts so far. Only what was written since the last look is read.
#[derive(Default)]
pub struct Receipts {
    /// The bytes of each segment that were read.
    read: BTreeMap<u64, usize>,
    /// The compressed segments that were read.
    done: BTreeSet<u64>,
    pub by_id: HashMap<String, Receipt>,
    /// What receipts charge to each balance: the account, the window and the unit.
    pub charged: HashMap<[String; 3], i64>,
    /// Contradictions among the receipts alone.
    pub faults: Vec<String>,
}

/// The part of a receipt that is compared.
#[derive(Debug, Clone)]
pub struct Receipt {
    pub outcome: String,
    pub endpoint: String,
    pub cost: i64,
    pub batch: Option<String>,
}

// === impl Receipts ===

impl Receipts {
    /// Reads what was written since the last time.
    pub fn read(&mut self, installation: &Installation) {
        // The open file first: if it is closed meanwhile, it is in the list as well.
        let open = fs::read(installation.file("receipts.jsonl")).unwrap_or_default();
        let number = number_of(&open);
        for (number, path) in closed(installation) {
            if self.done.contains(&number) {
                continue;
            }
            let (bytes, is_compressed) = content(path);
            self.take_new(number, &bytes);
            if is_compressed {
                self.done.insert(number);
            }
        }
        if let Some(number) = number {
            self.take_new(number, &open);
        }
    }

    /// Takes what follows the place up to which a segment was read.
    fn take_new(&mut self, number: u64, bytes: &[u8]) {
        let from = self.read.get(&number).copied().unwrap_or(0);
        let mut to = from;
        let Some(new) = bytes.get(from..) else {
            self.faults.push(format!(
                "segment {number} has {} bytes left of {from}",
                bytes.len()
            ));
            return;
        };
        for line in new.split_inclusive(|byte| *byte == b'\n') {
            if !line.ends_with(b"\n") {
                break;
            }
            to += line.len();
            // What a kill cut is covered by the next record.
            if let Ok(receipt) = serde_json::from_slice::<Value>(line) {
                self.take(&receipt);
            }
        }
        self.read.insert(number, to);
    }

    fn take(&mut self, receipt: &Value) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let id = text(&receipt["id"]).expect("a receipt has an id");
        for charge in receipt["charges"].as_object().into_iter().flatten() {
            let charge = charge.1.as_str().expect("a text");
            let words: Vec<_> = charge.splitn(5, ' ').collect();
            let [used, unit, window, _, account] = words[..] else {
                panic!("no charge: {charge}");
            };
            let balance = [account, window, unit].map(str::to_owned);
            let used: i64 = used.parse().expect("a number");
            *self.charged.entry(balance).or_default() += used;
        }
        let taken = Receipt {
            outcome: text(&receipt["outcome"]).expect("a receipt has an outcome"),
            endpoint: text(&receipt["endpoint"]).unwrap_or_default(),
            cost: receipt["cost_picousd"].as_i64().unwrap_or(0),
            batch: text(&receipt["batch"]["id"]),
        };
        if let Some(before) = self.by_id.insert(id.clone(), taken) {
            self.faults
                .push(format!("two receipts of {id}: {before:?} and {receipt}"));
        }
    }

    pub fn sum(&self) -> i64 {
        self.by_id.values().map(|receipt| receipt.cost).sum()
    }

    pub fn count(&self) -> usize {
        self.by_id.len()
    }
}

/// Returns the closed segments by number, each in the form that was found last.
fn closed(installation: &Installation) -> BTreeMap<u64, PathBuf> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(installation.file("")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        let Some(rest) = name.strip_prefix("receipts.jsonl.") else {
            continue;
        };
        let digits = rest.strip_suffix(".zst").unwrap_or(rest);
        if let Ok(number) = digits.parse() {
            found.insert(number, path);
        }
    }
    found
}

/// Returns the lines of a closed segment, and true if they are compressed.
fn content(path: PathBuf) -> (Vec<u8>, bool) {
    let is_compressed = path.extension().is_some_and(|ending| ending == "zst");
    match fs::read(&path) {
        Ok(bytes) if is_compressed => (zstd::decode_all(&*bytes).expect("it is whole"), true),
        Ok(bytes) => (bytes, false),
        // It was compressed since it was found.
        Err(_) => {
            let mut name = path.into_os_string();
            name.push(".zst");
            let bytes = fs::read(name).expect("it is compressed");
            (zstd::decode_all(&*bytes).expect("it is whole"), true)
        }
    }
}

/// Returns the number of the segment that begins with these bytes, or `None` if it has no record yet.
fn number_of(bytes: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(bytes);
    let chain = text.split_once(",\"chain\":\"")?.1;
    chain.split_once('.')?.0.parse().ok()
}
