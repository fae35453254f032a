//! Receipts that are in their file.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use memchr::{memchr, memmem};
use serde_json::Value;
use witgate_audit::segments;
use witgate_handover::spooled_receipts;

/// A part of each receipt that settles a batch.
const SETTLEMENT: &[u8] = b"-settlement\"";

/// The ids of exchanges and batches.
pub(super) type Ids = HashSet<Arc<str>>;

/// Receipts by the exchange or the batch that they settle.
pub(super) type Written = HashMap<Arc<str>, Value>;

/// Returns the receipts with these ids in the file and in its newest closed segments, and those that settle batches with these ids.
/// What a process has left in a spool is about to be written to the file, and counts.
pub(super) fn receipts_of(ids: &Ids, file: &Path) -> io::Result<Written> {
    if ids.is_empty() {
        return Ok(Written::new());
    }
    let spooled = spooled_receipts(file).unwrap_or_else(|error| {
        tracing::error!(file = %file.display(), %error, "the spool of an earlier process can't be read");
        Vec::new()
    });
    let spooled = spooled.into_iter().map(|line| Ok(line.into_bytes()));
    find(ids, segments::recent(file)?.chain(spooled))
}

/// Returns the same of receipts that were written at this time or later.
pub(super) fn receipts_since(ids: &Ids, file: &Path, since: SystemTime) -> io::Result<Written> {
    if ids.is_empty() {
        return Ok(Written::new());
    }
    find(ids, segments::Lines::open(file, Some(since))?)
}

fn find(ids: &Ids, lines: impl Iterator<Item = io::Result<Vec<u8>>>) -> io::Result<Written> {
    let mut found = Written::new();
    for line in lines {
        let line = line?;
        let id = id_of(&line).and_then(|id| ids.get(id));
        if id.is_none() && memmem::find(&line, SETTLEMENT).is_none() {
            continue;
        }
        // A line that was cut short by the crash is no receipt.
        let Ok(receipt) = serde_json::from_slice::<Value>(&line) else {
            continue;
        };
        if let Some(id) = id.or_else(|| ids.get(settled_batch(&receipt)?)) {
            found.insert(Arc::clone(id), receipt);
        }
    }
    Ok(found)
}

/// Returns the batch that a receipt settles, or `None` if it settles none.
pub(super) fn settled_batch(receipt: &Value) -> Option<&str> {
    let batch = receipt.get("batch")?;
    batch.get("ended")?;
    batch.get("id")?.as_str()
}

/// Returns the id on a line of receipts.
fn id_of(line: &[u8]) -> Option<&str> {
    const NAME: &[u8] = b"\"id\":\"";
    let start = memmem::find(line, NAME)? + NAME.len();
    let rest = line.get(start..)?;
    std::str::from_utf8(rest.get(..memchr(b'"', rest)?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_found_in_both_files_and_cut_lines_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("receipts.jsonl");
        std::fs::write(
            &file,
            "{\"id\":\"b\",\"message_id\":\"x\"}\n{\"id\":\"half\",\"k",
        )
        .unwrap();
        std::fs::write(
            folder.path().join("receipts.jsonl.000001"),
            "{\"id\":\"a\"}\n",
        )
        .unwrap();
        let ids = ["a", "b", "half", "missing"].map(Arc::from).into();
        let found = receipts_of(&ids, &file).unwrap();
        let mut found: Vec<_> = found.keys().map(|id| &**id).collect();
        found.sort_unstable();
        assert_eq!(found, ["a", "b"], "whole receipts");
        let none = receipts_of(&ids, Path::new("/dev/null")).unwrap();
        assert!(none.is_empty(), "what is no file has none");
    }
}
