//! The file of what could not be delivered: a JSON line each, with the reason.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::json;

use super::Letter;

/// Largest size of the file, in bytes.
const MAX_DEAD_BYTES: u64 = 64 << 20;

/// Appends a letter to the file.
///
/// # Errors
///
/// The file can't be written, or is full.
pub(super) fn bury(file: &Path, letter: &Letter, why: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(file)?;
    if file.metadata()?.len() > MAX_DEAD_BYTES {
        return Err(io::Error::other(
            "it has 64 MiB; deliver or remove what is in it",
        ));
    }
    let event: serde_json::Value = serde_json::from_slice(&letter.body)?;
    let mut line = json!({"reason": why, "event": event}).to_string();
    line.push('\n');
    file.write_all(line.as_bytes())
}
