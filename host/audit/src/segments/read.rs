//! Reading of lines over closed and open segments, from the oldest to the newest.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::time::SystemTime;

use super::{Closed, Form, closed, open_file, path_of, seal, tail};
use crate::chain::without_chain;

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

// === impl Lines ===

impl Lines {
    /// Opens the lines that may have been written at this time or later, or all of them.
    ///
    /// # Errors
    ///
    /// The system's error. Files that are missing have no lines.
    pub fn open(base: &Path, since: Option<SystemTime>) -> io::Result<Self> {
        let open = open_file(base)?;
        let number = match &open {
            Some(file) => tail::of(file)?.end.map(|end| end.place.segment),
            None => None,
        };
        let mut closed = VecDeque::from(closed(base)?);
        // It was rotated since it was opened.
        closed.retain(|closed| number.is_none_or(|number| closed.number < number));
        if let Some(since) = since {
            // A segment was last written when it was closed.
            while let Some(Closed { path, .. }) = closed.front() {
                let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
                if !modified.is_ok_and(|modified| modified < since) {
                    break;
                }
                closed.pop_front();
            }
        }
        Ok(Self {
            closed,
            open,
            reader: None,
            base: base.to_owned(),
        })
    }

    fn next_reader(&mut self) -> io::Result<Option<Reader>> {
        while let Some(closed) = self.closed.pop_front() {
            match Reader::closed(&self.base, &closed) {
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

    /// Opens a closed segment, in the form that it has by now.
    pub(super) fn closed(base: &Path, closed: &Closed) -> io::Result<Self> {
        let compressed = path_of(base, closed.number, Form::Compressed);
        match (closed.form, File::open(&closed.path)) {
            (Form::Plain, Ok(file)) => Ok(Self::plain(file)),
            (Form::Plain, Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                Self::compressed(File::open(compressed)?)
            }
            (Form::Compressed, Ok(file)) => Self::compressed(file),
            (_, Err(error)) => Err(error),
        }
    }

    fn compressed(file: File) -> io::Result<Self> {
        Ok(Self::of(Box::new(seal::lines(file)?)))
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
}

/// Returns the lines of the newest closed segment and of the open one, without their chains.
///
/// # Errors
///
/// The system's error.
pub fn recent(base: &Path) -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>>> {
    let mut lines = Lines::open(base, None)?;
    let older = lines.closed.len().saturating_sub(1);
    lines.closed.drain(..older);
    Ok(lines)
}
