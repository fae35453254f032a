//! Single segments, for readers that go on where they stopped, or that begin with the newest one.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::read::Reader;
use super::{Closed, Form, Found, find, seal};
use crate::chain::{Link, unchain};

/// The bytes of the first line that are looked at.
const MAX_FIRST: u64 = 1 << 20;

/// A segment of a file, as it was found.
#[derive(Debug)]
pub struct Segment {
    base: PathBuf,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Closed(Closed),
    /// Stays the same file if it is rotated or moved away.
    Open(File),
}

/// The whole lines of a segment, without their chains. A last line without an end is none: it may still be being written.
pub struct WholeLines {
    reader: Reader,
    place: u64,
    hash: Option<Link>,
}

/// Returns the segments of a file, from the oldest. The open one is the last.
///
/// # Errors
///
/// The system's error. Files that are missing are none.
pub fn list(base: &Path) -> io::Result<Vec<Segment>> {
    let Found { closed, open, .. } = find(base)?;
    let places = closed.into_iter().map(Place::Closed);
    let places = places.chain(open.map(Place::Open));
    let segment = |place| Segment {
        base: base.to_owned(),
        place,
    };
    Ok(places.map(segment).collect())
}

// === impl Segment ===

impl Segment {
    /// Returns true for the open segment, to which lines are added.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.place, Place::Open(_))
    }

    /// Returns the number of a compressed segment, which never changes again, or `None` for others.
    #[must_use]
    pub const fn compressed(&self) -> Option<u64> {
        match &self.place {
            Place::Closed(closed) => match closed.form {
                Form::Compressed => Some(closed.number),
                Form::Plain => None,
            },
            Place::Open(_) => None,
        }
    }

    /// Returns true if all lines were written before a time.
    #[must_use]
    pub fn is_before(&self, time: SystemTime) -> bool {
        match &self.place {
            Place::Closed(closed) => closed.is_before(time),
            Place::Open(_) => false,
        }
    }

    /// Returns true if both are the same open file.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn is_same_file(&self, other: &Self) -> io::Result<bool> {
        let (Place::Open(one), Place::Open(other)) = (&self.place, &other.place) else {
            return Ok(false);
        };
        let (one, other) = (one.metadata()?, other.metadata()?);
        Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
    }

    /// Returns the hash of the last record by the seal of a compressed segment, which is read without the lines, or `None` for
    /// a segment without a seal.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn seal(&self) -> io::Result<Option<String>> {
        let Place::Closed(closed) = &self.place else {
            return Ok(None);
        };
        if closed.form == Form::Plain {
            return Ok(None);
        }
        let end = unless_missing(seal::read(&closed.path))?.flatten();
        Ok(end.map(|end| end.link.as_str().to_owned()))
    }

    /// Returns the first line as it is in the file, which stays the same whatever becomes of the segment. It is cut after a
    /// mebibyte. Returns `None` before it is whole, or if the segment was deleted.
    ///
    /// # Errors
    ///
    /// The system's error, or the segment is damaged.
    pub fn first_line(&self) -> io::Result<Option<Vec<u8>>> {
        let Some(mut reader) = self.reader(0)? else {
            return Ok(None);
        };
        let mut line = Vec::new();
        let count = reader.read_raw(&mut line, MAX_FIRST)?;
        Ok((line.ends_with(b"\n") || count == MAX_FIRST).then_some(line))
    }

    /// Returns the whole lines after this number of bytes, as they are uncompressed, or `None` if the segment was deleted.
    ///
    /// # Errors
    ///
    /// The system's error, or the segment is damaged.
    pub fn lines(&self, place: u64) -> io::Result<Option<WholeLines>> {
        let reader = self.reader(place)?;
        Ok(reader.map(|reader| WholeLines {
            reader,
            place,
            hash: None,
        }))
    }

    fn reader(&self, place: u64) -> io::Result<Option<Reader>> {
        match &self.place {
            Place::Closed(closed) => unless_missing(Reader::closed(&self.base, closed, place)),
            Place::Open(file) => Ok(Some(Reader::open(file.try_clone()?, place))),
        }
    }
}

/// Returns `None` for a file that is missing.
fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

// === impl WholeLines ===

impl WholeLines {
    /// Reads the next line, without its newline and its chain, in the place of what `line` has. Returns `false` if there is
    /// none.
    ///
    /// # Errors
    ///
    /// The system's error, or the segment is damaged.
    pub fn read(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        let count = self.reader.read_raw(line, u64::MAX)?;
        if line.pop_if(|last| *last == b'\n').is_none() {
            return Ok(false);
        }
        self.place += count;
        self.hash = unchain(line).or(self.hash);
        Ok(true)
    }

    /// Returns the place after the last line that was read, in bytes of the uncompressed segment.
    #[must_use]
    pub const fn place(&self) -> u64 {
        self.place
    }

    /// Returns the hash of the last record that was read, or `None` if none had a chain.
    #[must_use]
    pub fn hash(&self) -> Option<&str> {
        self.hash.as_ref().map(Link::as_str)
    }
}

impl std::fmt::Debug for WholeLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WholeLines")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
