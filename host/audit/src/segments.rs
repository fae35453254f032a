//! A file of chained lines in segments: the open one, and those that were sealed and compressed before.
//!
//! `receipts.jsonl` is the open segment, `receipts.jsonl.000007.zst` a sealed one. A segment that was just rotated is
//! `receipts.jsonl.000007` until it has been compressed. Each segment goes on with the chain of the one before.

mod finding;
mod footprint;
mod keeper;
mod open;
mod read;
mod rewrite;
mod seal;
mod segment;
mod tail;
mod verify;

pub use finding::{Finding, Problem, Report};
pub use footprint::Footprint;
pub use keeper::{Retention, tidy};
pub use open::{Rotation, Segments};
pub use read::{Lines, recent};
pub use rewrite::{Edit, Rule};
pub use segment::{Identity, Segment, Stamp, WholeLines, list};
pub use verify::verify;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The ending of compressed segments.
const COMPRESSED: &str = ".zst";

/// Digits of a segment's number, at least. Files with fewer are of the rotation before there were chains.
const DIGITS: usize = 6;

/// The least number that is a date of eight digits, such as 20261129. Files with it or a larger one were rotated by another program under
/// a date or a time, and this many segments there will not be.
const LEAST_DATE: u64 = 19_700_101;

/// The ending of files that are being written.
const UNFINISHED: &str = ".unfinished";

/// The form of a closed segment's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Plain,
    Compressed,
}

/// A closed segment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Closed {
    number: u64,
    form: Form,
    path: PathBuf,
}

/// The segments of a file.
struct Found {
    /// The closed ones, by number.
    closed: Vec<Closed>,
    /// The open one, which stays the same file if it is rotated meanwhile.
    open: Option<fs::File>,
    /// The number of the open one, or `None` before its first record.
    number: Option<u64>,
}

/// Returns the path of a closed segment.
fn path_of(base: &Path, number: u64, form: Form) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(format!(".{number:06}"));
    if form == Form::Compressed {
        name.push(COMPRESSED);
    }
    PathBuf::from(name)
}

/// Returns the path under which a file is written before it gets its name.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    PathBuf::from(name)
}

/// Opens a file for reading. Returns `None` if it is missing or no file, such as a pipe, which would wait to be opened.
fn open_file(path: &Path) -> io::Result<Option<fs::File>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => match fs::File::open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        },
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the segments of a file. The open one is opened first, so that it stays the one after those that are listed.
fn find(base: &Path) -> io::Result<Found> {
    let open = open_file(base)?;
    let number = match &open {
        Some(file) => tail::of(file)?.end.map(|end| end.place.segment),
        None => None,
    };
    let mut closed = closed(base)?;
    // It was rotated since it was opened.
    closed.retain(|closed| number.is_none_or(|number| closed.number < number));
    Ok(Found {
        closed,
        open,
        number,
    })
}

/// Returns the closed segments of a file, by number. Of two forms of a segment only the compressed one is listed: it is whole, and
/// the other is about to be deleted.
fn closed(base: &Path) -> io::Result<Vec<Closed>> {
    // A segment that changes its form while the folder is listed may be in neither form in that list, but is in the next.
    let mut found = listed(base)?;
    found.extend(listed(base)?);
    found.sort_by_key(|closed| (closed.number, std::cmp::Reverse(closed.form)));
    found.dedup_by_key(|closed| closed.number);
    Ok(found)
}

// === impl Closed ===

impl Closed {
    /// Opens the segment in the form that it has by now.
    fn open(&self, base: &Path) -> io::Result<(fs::File, Form)> {
        match fs::File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.form == Form::Plain => {
                let compressed = path_of(base, self.number, Form::Compressed);
                Ok((fs::File::open(compressed)?, Form::Compressed))
            }
            opened => Ok((opened?, self.form)),
        }
    }

    /// Returns true if the segment was closed before a time.
    fn is_before(&self, time: SystemTime) -> bool {
        is_before(&self.path, time)
    }
}

/// Returns true if a file was last written before a time.
fn is_before(path: &Path, time: SystemTime) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified < time)
}

/// Returns the files of closed segments, in any order.
fn listed(base: &Path) -> io::Result<Vec<Closed>> {
    let mut found = Vec::new();
    for ending in endings(base)? {
        let (digits, form) = match ending.strip_suffix(COMPRESSED) {
            Some(digits) => (digits, Form::Compressed),
            None => (ending.as_str(), Form::Plain),
        };
        let number = number(digits, DIGITS..).filter(|number| *number < LEAST_DATE);
        if let Some(number) = number {
            let path = path_of(base, number, form);
            found.push(Closed { number, form, path });
        }
    }
    Ok(found)
}

/// Returns the files of the rotation before there were chains, from the oldest: `receipts.jsonl.1` is the newest.
fn earlier(base: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for ending in endings(base)? {
        if let Some(number) = number(&ending, 1..DIGITS) {
            let mut name = base.as_os_str().to_owned();
            name.push(format!(".{ending}"));
            found.push((number, PathBuf::from(name)));
        }
    }
    found.retain(|(_, path)| path.is_file());
    found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Returns the number that is written with so many digits, or `None` if it is none.
fn number(digits: &str, count: impl RangeBounds<usize>) -> Option<u64> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && count.contains(&digits.len())).then(|| digits.parse().ok())?
}

/// Returns the folder of a file.
fn folder(base: &Path) -> &Path {
    match base.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Returns what follows the name of a file and a dot in the names beside it, in any order.
fn endings(base: &Path) -> io::Result<Vec<String>> {
    let folder = folder(base);
    let mut prefix: OsString = base.file_name().unwrap_or_default().to_owned();
    prefix.push(".");
    let mut found = Vec::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name();
        let rest = name
            .as_encoded_bytes()
            .strip_prefix(prefix.as_encoded_bytes())
            .and_then(|rest| std::str::from_utf8(rest).ok());
        found.extend(rest.map(str::to_owned));
    }
    Ok(found)
}
