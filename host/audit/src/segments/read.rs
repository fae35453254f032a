//! Reading of lines over closed and open segments, from the oldest to the newest.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;

use super::{Closed, Form, Found, find, seal};
use crate::chain::without_chain;

/// The bytes on disk of the closed segments that count as recent. They have more receipts than wait to be written at any time,
/// however small segments are.
const RECENT_BYTES: u64 = 16 << 20;

/// The lines of a file and of its closed segments, in the order in which they were written, without their chains.
///
/// Bytes that are no line, such as one that was cut, come as a line as well. The files are opened one after the other; a segment
/// that is deleted meanwhile is left out.
pub struct Lines {
    closed: VecDeque<Closed>,
    /// The open segment, whose file stays the same if it is rotated meanwhile.
    open: Option<File>,
    reader: Option<Reader>,
    base: std::path::PathBuf,
}

/// A reader of one segment's lines, with their chains.
pub(super) struct Reader(BufReader<Box<dyn Read + Send>>);

/// A file that is read from a place of its own.
struct At {
    file: File,
    place: u64,
}

// === impl Lines ===

impl Lines {
    /// Opens the lines that may have been written at this time or later, or all of them.
    ///
    /// # Errors
    ///
    /// The system's error. Files that are missing have no lines.
    pub fn open(base: &Path, since: Option<SystemTime>) -> io::Result<Self> {
        let Found { closed, open, .. } = find(base)?;
        // A segment was last written when it was closed.
        let is_before = |closed: &Closed| since.is_some_and(|since| closed.is_before(since));
        let closed = closed.into_iter().skip_while(is_before);
        Ok(Self {
            closed: closed.collect(),
            open,
            reader: None,
            base: base.to_owned(),
        })
    }

    fn next_reader(&mut self) -> io::Result<Option<Reader>> {
        while let Some(closed) = self.closed.pop_front() {
            match Reader::closed(&self.base, &closed, 0) {
                Ok(reader) => return Ok(Some(reader)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.open.take().map(Reader::plain))
    }
}

impl Iterator for Lines {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.reader.is_none() {
                match self.next_reader() {
                    Ok(reader) => self.reader = Some(reader?),
                    Err(error) => return Some(Err(error)),
                }
            }
            let mut line = Vec::new();
            match self.reader.as_mut()?.read(&mut line) {
                Ok(true) => return Some(Ok(without_chain(&line).into_owned())),
                Ok(false) => self.reader = None,
                Err(error) => {
                    self.reader = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines")
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

// === impl Reader ===

impl Reader {
    pub(super) fn plain(file: File) -> Self {
        Self::of(Box::new(file))
    }

    /// Opens a closed segment, in the form that it has by now, after this number of its bytes.
    pub(super) fn closed(base: &Path, closed: &Closed, place: u64) -> io::Result<Self> {
        let (file, form) = closed.open(base)?;
        Self::of_form(file, form, place)
    }

    /// Reads a closed segment's file after this number of its bytes.
    pub(super) fn of_form(mut file: File, form: Form, place: u64) -> io::Result<Self> {
        match form {
            Form::Plain => {
                file.seek(SeekFrom::Start(place))?;
                Ok(Self::plain(file))
            }
            Form::Compressed => Self::compressed(file, place),
        }
    }

    /// Opens a file that is not compressed, after this number of its bytes.
    pub(super) fn file(path: &Path, place: u64) -> io::Result<Self> {
        Self::of_form(File::open(path)?, Form::Plain, place)
    }

    /// Reads an open segment after this number of its bytes, however the file is read elsewhere.
    pub(super) fn open(file: File, place: u64) -> Self {
        Self::of(Box::new(At { file, place }))
    }

    fn compressed(file: File, place: u64) -> io::Result<Self> {
        let mut lines = seal::lines(file)?;
        io::copy(&mut lines.by_ref().take(place), &mut io::sink())?;
        Ok(Self::of(Box::new(lines)))
    }

    fn of(reader: Box<dyn Read + Send>) -> Self {
        Self(BufReader::with_capacity(1 << 18, reader))
    }

    /// Reads the next line, without its newline, in the place of what `line` has. Returns `false` at the end.
    pub(super) fn read(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        let count = self.0.read_until(b'\n', line)?;
        if line.ends_with(b"\n") {
            line.pop();
        }
        Ok(count > 0)
    }

    /// Reads up to so many bytes of the next line, with its newline, in the place of what `line` has.
    pub(super) fn read_raw(&mut self, line: &mut Vec<u8>, most: u64) -> io::Result<u64> {
        line.clear();
        let count = self.0.by_ref().take(most).read_until(b'\n', line)?;
        Ok(count as u64)
    }
}

// === impl At ===

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.place)?;
        self.place += count as u64;
        Ok(count)
    }
}

/// Returns the lines that were written last, without their chains: those of the open segment, and of the newest closed ones up to
/// [`RECENT_BYTES`].
///
/// # Errors
///
/// The system's error.
pub fn recent(base: &Path) -> io::Result<Lines> {
    let mut lines = Lines::open(base, None)?;
    let mut bytes = 0;
    let kept = lines.closed.iter().rev().take_while(|closed| {
        let is_wanted = bytes < RECENT_BYTES;
        // One that has gone since has none.
        bytes += std::fs::metadata(&closed.path).map_or(0, |metadata| metadata.len());
        is_wanted
    });
    let older = lines.closed.len() - kept.count();
    lines.closed.drain(..older);
    Ok(lines)
}
