//! Receipts that are in their file.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use memchr::{memchr, memmem};
use serde_json::Value;

/// The number of bytes at the end of a file that are looked at: receipts are much smaller than 8 KiB on average, and the
/// last few thousand matter.
const TAIL: u64 = 32 << 20;

/// Returns the receipts with these ids at the end of the file and of its last rotated predecessor.
pub(super) fn receipts_of(
    ids: &HashSet<Arc<str>>,
    file: &Path,
) -> io::Result<HashMap<Arc<str>, Value>> {
    let mut found = HashMap::new();
    if ids.is_empty() {
        return Ok(found);
    }
    let mut rotated = file.as_os_str().to_owned();
    rotated.push(".1");
    for path in [file, Path::new(&rotated)] {
        let lines = tail(path, TAIL)?;
        for line in lines.split(|byte| *byte == b'\n') {
            let Some(id) = id_of(line).and_then(|id| ids.get(id)) else {
                continue;
            };
            // A line that was cut short by the crash is no receipt.
            if let Ok(receipt) = serde_json::from_slice(line) {
                found.insert(Arc::clone(id), receipt);
            }
        }
    }
    Ok(found)
}

/// Returns the last bytes of a file, or none if it is missing or no file.
fn tail(path: &Path, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // A pipe would wait to be opened.
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(metadata.len().saturating_sub(length)))?;
            file.read_to_end(&mut bytes)?;
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(bytes)
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
        std::fs::write(folder.path().join("receipts.jsonl.1"), "{\"id\":\"a\"}\n").unwrap();
        let ids = ["a", "b", "half", "missing"].map(Arc::from).into();
        let found = receipts_of(&ids, &file).unwrap();
        let mut found: Vec<_> = found.keys().map(|id| &**id).collect();
        found.sort_unstable();
        assert_eq!(found, ["a", "b"], "whole receipts");
        let none = receipts_of(&ids, Path::new("/dev/null")).unwrap();
        assert!(none.is_empty(), "what is no file has none");
    }
}
