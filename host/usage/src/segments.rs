//! The files of a receipts log: the open one, and those that it was rotated to.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// A log of receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file that is written to.
    pub path: PathBuf,
    /// The kind of its receipts.
    pub kind: Kind,
}

/// The kind of the receipts in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Receipts of exchanges that something may have been sent for.
    Evidence,
    /// Receipts of requests that were refused before.
    Refusals,
}

/// A file of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) coding: Coding,
}

/// The form of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Plain,
    Zstd,
}

/// A segment's lasting name, whatever its file is called: a hash of its first line, which has the id of a receipt.
pub(crate) type Identity = [u8; 16];

/// Longest first line that is looked at.
const MAX_LINE: u64 = 1 << 20;

// === impl Source ===

impl Source {
    /// Returns the segments that exist, from the oldest.
    ///
    /// # Errors
    ///
    /// The folder can't be read.
    pub(crate) fn segments(&self) -> io::Result<Vec<Segment>> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let Some(name) = self.path.file_name().and_then(|name| name.to_str()) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let file = entry.file_name();
            let Some(numbered) = file.to_str().and_then(|file| number(file, name)) else {
                continue;
            };
            // A pipe would wait to be opened.
            if entry.path().metadata().is_ok_and(|is| is.is_file()) {
                let (number, coding) = numbered;
                let path = entry.path();
                found.push((number, Segment { path, coding }));
            }
        }
        found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        Ok(found.into_iter().map(|(_, segment)| segment).collect())
    }
}

/// Returns the number of a segment by its file's name, or `None` for another file. The open one is number zero.
fn number(file: &str, name: &str) -> Option<(u64, Coding)> {
    let rest = file.strip_prefix(name)?;
    let (rest, coding) = match rest.strip_suffix(".zst") {
        Some(rest) => (rest, Coding::Zstd),
        None => (rest, Coding::Plain),
    };
    let number = match rest.strip_prefix('.') {
        Some(digits) => digits.parse().ok()?,
        None if rest.is_empty() && coding == Coding::Plain => 0,
        None => return None,
    };
    Some((number, coding))
}

// === impl Segment ===

impl Segment {
    /// Opens the segment, or returns `None` if it was moved away meanwhile or has no whole line yet.
    ///
    /// # Errors
    ///
    /// The file can't be opened.
    pub(crate) fn open(&self) -> io::Result<Option<Reader>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Reader::new(file, self.coding)
    }
}

/// The lines of a segment, from its first one.
pub(crate) struct Reader {
    /// The first line, which was read for the segment's identity and not taken yet.
    first: Vec<u8>,
    lines: Lines,
}

enum Lines {
    Plain(BufReader<File>),
    Zstd(Box<BufReader<zstd::stream::read::Decoder<'static, BufReader<File>>>>),
}

/// Bytes that are read at once.
const BUFFER: usize = 64 << 10;

// === impl Reader ===

impl Reader {
    /// Reads a file from its beginning. Returns `None` before the file has a whole line.
    ///
    /// # Errors
    ///
    /// The system's error, or the file is not compressed although its name says so.
    pub(crate) fn new(mut file: File, coding: Coding) -> io::Result<Option<Self>> {
        file.rewind()?;
        let mut lines = match coding {
            Coding::Plain => Lines::Plain(BufReader::with_capacity(BUFFER, file)),
            Coding::Zstd => {
                let decoder = zstd::stream::read::Decoder::new(file)?;
                Lines::Zstd(Box::new(BufReader::with_capacity(BUFFER, decoder)))
            }
        };
        let mut first = Vec::new();
        lines
            .as_read()
            .take(MAX_LINE)
            .read_until(b'\n', &mut first)?;
        let is_whole = first.ends_with(b"\n");
        Ok(is_whole.then_some(Self { first, lines }))
    }

    /// Returns the identity of the segment.
    pub(crate) fn identity(&self) -> Identity {
        let mut identity = Identity::default();
        for (to, from) in identity.iter_mut().zip(Sha256::digest(&self.first)) {
            *to = from;
        }
        identity
    }

    /// Returns another handle to the file, or `None` if it is compressed, and so is no longer written to.
    pub(crate) fn handle(&self) -> Option<File> {
        match &self.lines {
            Lines::Plain(lines) => lines.get_ref().try_clone().ok(),
            Lines::Zstd(_) => None,
        }
    }

    /// Goes to a place, at which a line begins, or to the end if there is no such place. Call it before the first line is
    /// taken.
    pub(crate) fn skip_to(&mut self, place: u64) -> io::Result<()> {
        if place == 0 {
            return Ok(());
        }
        let read = std::mem::take(&mut self.first).len() as u64;
        match &mut self.lines {
            Lines::Plain(lines) => lines.seek(SeekFrom::Start(place)).map(drop),
            Lines::Zstd(lines) => {
                let rest = place.saturating_sub(read);
                io::copy(&mut lines.take(rest), &mut io::sink()).map(drop)
            }
        }
    }

    /// Reads the next line with its end, or returns `false` if there is none: a last line without an end is still being
    /// written.
    pub(crate) fn line(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        if self.first.is_empty() {
            self.lines.as_read().read_until(b'\n', line)?;
        } else {
            std::mem::swap(line, &mut self.first);
        }
        Ok(line.ends_with(b"\n"))
    }
}

// === impl Lines ===

impl Lines {
    fn as_read(&mut self) -> &mut dyn BufRead {
        match self {
            Self::Plain(lines) => lines,
            Self::Zstd(lines) => lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_segments_of_a_log_are_its_own_files_from_the_oldest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("receipts.jsonl");
        for name in [
            "receipts.jsonl",
            "receipts.jsonl.1",
            "receipts.jsonl.2.zst",
            "receipts.jsonl.10.zst",
            "receipts.jsonl.old",
            "receipts.jsonl.zst",
            "receipts-refused.jsonl",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("receipts.jsonl.3")).unwrap();
        let source = Source {
            path,
            kind: Kind::Evidence,
        };
        let found = source.segments().unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|segment| segment.path.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "receipts.jsonl.10.zst",
                "receipts.jsonl.2.zst",
                "receipts.jsonl.1",
                "receipts.jsonl"
            ],
            "no folder, and no file of another name"
        );
    }
}
