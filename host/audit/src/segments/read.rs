//! Reading of lines over closed and open segments, from the oldest to the newest.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
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
pub(super) struct Reader {
    source: Box<dyn Read + Send>,
    /// Bytes, of which those that were read and not returned are `from..to`.
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

/// The bytes that are read first: a reader that follows a log finds a few lines each time.
const FIRST_BYTES: usize = 16 * 1024;

/// The bytes up to which more are read at once if a log has more.
const MOST_BYTES: usize = 256 * 1024;

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

    fn of(source: Box<dyn Read + Send>) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            from: 0,
            to: 0,
        }
    }

    /// Reads the next line, without its newline, in the place of what `line` has. Returns `false` at the end.
    pub(super) fn read(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        line.extend_from_slice(self.line(usize::MAX)?);
        let is_line = !line.is_empty();
        line.pop_if(|last| *last == b'\n');
        Ok(is_line)
    }

    /// Returns up to so many bytes of the next line, with its newline, or nothing at the end.
    pub(super) fn line(&mut self, most: usize) -> io::Result<&[u8]> {
        let mut seen = 0;
        let len = loop {
            let held = self.buffer.get(self.from..self.to).unwrap_or_default();
            let new = held.get(seen..).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', new) {
                break seen + at + 1;
            }
            seen = held.len();
            if seen >= most || !self.fill()? {
                break seen;
            }
        };
        let start = self.from;
        self.from += len.min(most);
        Ok(self.buffer.get(start..self.from).unwrap_or_default())
    }

    /// Reads more bytes behind those that are held. Returns `false` if there are none.
    fn fill(&mut self) -> io::Result<bool> {
        let was_full = self.to == self.buffer.len();
        self.buffer.copy_within(self.from..self.to, 0);
        (self.from, self.to) = (0, self.to - self.from);
        let len = self.buffer.len();
        if self.to == len || (was_full && len < MOST_BYTES) {
            self.buffer.resize((len * 2).max(FIRST_BYTES), 0);
        }
        loop {
            let room = self.buffer.get_mut(self.to..).unwrap_or_default();
            match self.source.read(room) {
                Ok(count) => {
                    self.to += count;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that gives a few bytes at a time, and is interrupted before each.
    struct Drops<'a> {
        rest: &'a [u8],
        most: usize,
        is_interrupted: bool,
    }

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.is_interrupted = !self.is_interrupted;
            if self.is_interrupted {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let room = self.most.min(buffer.len());
            self.rest.read(&mut buffer[..room])
        }
    }

    #[test]
    fn lines_are_read_whole_however_long_they_are_and_however_they_come() {
        let lengths = [0, 1, 100, FIRST_BYTES - 1, FIRST_BYTES, 3 * MOST_BYTES, 5];
        let lines: Vec<_> = lengths.map(|len| "x".repeat(len) + "\n").into();
        let text: &'static str = (lines.concat() + "no end").leak();
        for most in [100, 4096, usize::MAX] {
            let mut reader = Reader::of(Box::new(Drops {
                rest: text.as_bytes(),
                most,
                is_interrupted: false,
            }));
            for line in &lines {
                let read = reader.line(usize::MAX).unwrap();
                assert!(read == line.as_bytes(), "a line of {}", line.len());
            }
            assert_eq!(reader.line(3).unwrap(), b"no ", "no more than that");
            assert_eq!(reader.line(99).unwrap(), b"end", "the rest");
            assert_eq!(reader.line(99).unwrap(), b"", "the end");
        }
    }
}
