//! The open segment, as the sink of an audit.
//!
//! Several processes may append to the same file, as two do during a hand-over. Each batch is written under the file's lock, by one
//! `writev(2)`, after a look at what others have added. Before each batch the path is compared with the open file, so lines never
//! go to a file that an operator or another process's rotation has moved away.

use std::fs::{self, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::keeper::{Keeper, Retention};
use super::tail::{self, Tail};
use super::{Form, Rule, path_of};
use crate::chain::{End, Note};
use crate::sink::{Sink, Stopped, is_at};

/// Lines in one `writev(2)`, each of which takes two of its 1024 slices.
const LINES: usize = 500;

/// Steps to a file that is open, locked and has room. Each time that another process rotates it meanwhile takes two.
const STEPS: usize = 100;

/// The rule for closing a segment, and for keeping closed ones.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// Size in bytes at which a segment is closed. It exceeds it by at most one batch.
    pub max_bytes: NonZeroU64,
    /// The closed segments that are kept.
    pub retention: Retention,
    /// The rule by which fields are removed from them, or `None` to keep all.
    pub rule: Option<Rule>,
}

/// A sink that chains the lines of a file in segments. The lines have to be JSON objects that are not empty. A missing file is
/// created, readable by its owner only.
#[derive(Debug)]
pub struct Segments {
    path: PathBuf,
    rotation: Rotation,
    keeper: Keeper,
    /// The open file, or `None` until it could be opened.
    open: Option<Open>,
    /// The last record that this process wrote, from which a chain goes on in an empty file.
    last: Option<End>,
}

/// The open segment.
#[derive(Debug)]
struct Open {
    file: fs::File,
    /// The length at which the end is known, or `None` after a write that failed.
    len: Option<u64>,
    end: End,
    /// Set if the last line has no newline.
    is_torn: bool,
}

/// Lines with their chains, ready to be written.
#[derive(Default)]
struct Chained<'a> {
    /// A newline that ends a torn line.
    before: &'static [u8],
    lines: Vec<&'a [u8]>,
    /// What follows each line.
    rests: Vec<u8>,
    /// The place of each line's rest.
    spans: Vec<Range<usize>>,
}

// === impl Segments ===

impl Segments {
    /// Creates a sink that appends to the file at `path`, which is opened on first use.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, rotation: Rotation) -> Self {
        let path = path.into();
        Self {
            keeper: Keeper::new(&path, &rotation),
            path,
            rotation,
            open: None,
            last: None,
        }
    }

    /// Ensures that the open file is the one at the path and has room, and that its end is known. The file is locked then.
    fn prepare(&mut self) -> io::Result<()> {
        for _ in 0..STEPS {
            let Some(open) = &mut self.open else {
                self.reopen()?;
                continue;
            };
            // Without locks in the file system, lines of two processes may be out of their chain, which is told by a check.
            let _locked = open.file.lock();
            let metadata = open.file.metadata()?;
            if !is_at(&metadata, &self.path)? {
                let _unlocked = open.file.unlock();
                self.open = None;
                continue;
            }
            if Some(metadata.len()) != open.len {
                open.learn(&self.path, self.last.as_ref())?;
            }
            if open.len < Some(self.rotation.max_bytes.get()) {
                return Ok(());
            }
            // An oversized file is better than no receipts: lines go on to it, and the next batch tries again.
            match open.close(&self.path) {
                Ok(()) => {
                    self.last = Some(open.end.clone());
                    self.open = None;
                    self.keeper.wake();
                }
                Err(error) => {
                    tracing::error!(path = %self.path.display(), %error, "the receipts could not be rotated");
                    return Ok(());
                }
            }
        }
        Err(io::Error::other(
            "the file is moved away as fast as it is opened",
        ))
    }

    fn write(&mut self, lines: &[u8]) -> Result<(), Stopped> {
        let mut taken = 0;
        let mut rest = each_line(lines).peekable();
        while rest.peek().is_some() {
            let group: Vec<&[u8]> = rest.by_ref().take(LINES).collect();
            let prepared = self.prepare();
            prepared.map_err(|source| Stopped { taken, source })?;
            let Some(open) = &mut self.open else {
                let source = io::ErrorKind::NotFound.into();
                return Err(Stopped { taken, source });
            };
            open.end.notes.extend(self.keeper.anchors().give());
            let (count, result) = open.write(&group);
            if self.keeper.anchors().written(result.is_ok()) {
                self.keeper.wake();
            }
            let _unlocked = open.file.unlock();
            taken += group
                .iter()
                .take(count)
                .map(|line| line.len())
                .sum::<usize>();
            self.last = Some(open.end.clone());
            result.map_err(|source| Stopped { taken, source })?;
        }
        Ok(())
    }
}

/// Returns the lines, each with its newline.
fn each_line(mut lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', lines).map_or(lines.len(), |at| at + 1);
        let (line, rest) = lines.split_at_checked(end)?;
        lines = rest;
        (!line.is_empty()).then_some(line)
    })
}

impl Sink for Segments {
    fn append(&mut self, lines: &[u8]) -> Result<(), Stopped> {
        self.write(lines)
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.open = None;
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        let _locked = file.lock();
        let mut open = Open {
            file,
            len: None,
            end: End::start(1, None),
            is_torn: false,
        };
        let learned = open.learn(&self.path, self.last.as_ref());
        let _unlocked = open.file.unlock();
        learned?;
        self.open = Some(open);
        // Segments that an earlier process left.
        self.keeper.wake();
        Ok(())
    }
}

// === impl Open ===

impl Open {
    /// Reads where the chain of the file ends. `last` is the last record that this process knows.
    fn learn(&mut self, path: &Path, last: Option<&End>) -> io::Result<()> {
        let Tail {
            end,
            loose,
            is_torn,
            len,
        } = tail::of(&self.file)?;
        let mut end = match (end, last) {
            (Some(end), _) => end,
            // The file is new. Its chain goes on from the newest one.
            (None, last) => {
                let closed = tail::newest(path)?;
                let newest = last.cloned().into_iter().chain(closed);
                match newest.max_by_key(|end| end.place) {
                    Some(end) => End::start(end.place.segment + 1, Some(end.link)),
                    None => End::start(1, None),
                }
            }
        };
        if let Some((bytes, link)) = loose {
            tracing::warn!(path = %path.display(), bytes, "the file has bytes that are no receipts, such as one that was cut; the next one covers them");
            end.notes.push(Note::Torn(bytes, link));
        }
        self.len = Some(len);
        self.end = end;
        self.is_torn = is_torn;
        Ok(())
    }

    /// Moves the file to the name of its segment.
    fn close(&mut self, path: &Path) -> io::Result<()> {
        let number = self.end.place.segment;
        let to = path_of(path, number, Form::Plain);
        if to.try_exists()? || path_of(path, number, Form::Compressed).try_exists()? {
            return Err(io::Error::other(format!(
                "there is a segment {number} already: move {} away",
                to.display()
            )));
        }
        fs::rename(path, to)?;
        let _unlocked = self.file.unlock();
        Ok(())
    }

    /// Writes lines. Returns the number of those that are in the file whole.
    fn write(&mut self, group: &[&[u8]]) -> (usize, io::Result<()>) {
        let mut end = self.end.clone();
        let mut chained = Chained {
            before: if self.is_torn { b"\n" } else { b"" },
            ..Chained::default()
        };
        for line in group {
            chained.add(line, &mut end);
        }
        let (written, result) = chained.write(&mut self.file);
        match &result {
            Ok(()) => {
                self.end = end;
                self.is_torn = false;
                self.len = self.len.map(|len| len + written as u64);
            }
            // The file says what was written.
            Err(_) => self.len = None,
        }
        (chained.whole(written), result)
    }
}

// === impl Chained ===

impl<'a> Chained<'a> {
    fn add(&mut self, line: &'a [u8], end: &mut End) {
        let start = self.rests.len();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let object = line.strip_suffix(b"}").unwrap_or(line);
        end.add(object, &mut self.rests);
        self.lines.push(object);
        self.spans.push(start..self.rests.len());
    }

    /// Writes everything. Returns the number of bytes that were written.
    fn write(&self, file: &mut fs::File) -> (usize, io::Result<()>) {
        let mut slices = vec![IoSlice::new(self.before)];
        for (line, span) in self.lines.iter().zip(&self.spans) {
            slices.push(IoSlice::new(line));
            slices.push(IoSlice::new(
                self.rests.get(span.clone()).unwrap_or_default(),
            ));
        }
        let (mut slices, mut written) = (&mut slices[..], 0);
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            match file.write_vectored(slices) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    written += count;
                    IoSlice::advance_slices(&mut slices, count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(()))
    }

    /// Returns the number of lines that are whole after so many bytes.
    fn whole(&self, written: usize) -> usize {
        let mut end = self.before.len();
        let ends = self.lines.iter().zip(&self.spans).map(|(line, span)| {
            end += line.len() + span.len();
            end
        });
        ends.take_while(|end| *end <= written).count()
    }
}
