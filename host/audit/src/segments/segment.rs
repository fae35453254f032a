//! Single segments, for readers that go on where they stopped, or that begin with the newest one.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::read::Reader;
use super::{Closed, Form, Found, earlier, find, seal};
use crate::chain::{Chained, Link, Place as Numbered, unchain};

/// The bytes of the first line that are looked at.
const MAX_FIRST: usize = 1 << 20;

/// A segment of a file, as it was found.
#[derive(Debug)]
pub struct Segment {
    base: PathBuf,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// A file of the rotation before there were chains.
    Earlier(PathBuf),
    Closed(Closed),
    /// Stays the same file if it is rotated or moved away.
    Open(File),
}

/// A segment's lasting name, whatever becomes of its file.
pub type Identity = [u8; 16];

/// The state of a file, which differs once it was changed or replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The whole lines of a segment, without their chains. A last line without an end is none: it may still be being written.
pub struct WholeLines {
    reader: Reader,
    place: u64,
    /// The last record that had a chain, and the hash that it was written with.
    last: Option<(Numbered, Link)>,
}

/// Returns the segments of a file, from the oldest. The open one is the last, and files of the rotation before there were chains
/// are the first.
///
/// # Errors
///
/// The system's error. Files that are missing are none.
pub fn list(base: &Path) -> io::Result<Vec<Segment>> {
    let Found { closed, open, .. } = find(base)?;
    let earlier = earlier(base)?.into_iter().map(Place::Earlier);
    let places = earlier
        .chain(closed.into_iter().map(Place::Closed))
        .chain(open.map(Place::Open));
    let segment = |place| Segment {
        base: base.to_owned(),
        place,
    };
    Ok(places.map(segment).collect())
}

// === impl Stamp ===

impl Stamp {
    /// Returns the state that a file's metadata shows.
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

// === impl Segment ===

impl Segment {
    /// Returns true for the open segment, to which lines are added.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.place, Place::Open(_))
    }

    /// Returns the file, which may have moved since.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.place {
            Place::Earlier(path) => path,
            Place::Closed(closed) => &closed.path,
            Place::Open(_) => &self.base,
        }
    }

    /// Returns true if no line is added any more, and the file keeps its name.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        match &self.place {
            Place::Earlier(_) => true,
            Place::Closed(closed) => matches!(closed.form, Form::Compressed),
            Place::Open(_) => false,
        }
    }

    /// Returns the state of the file, or `None` if it is gone.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn stamp(&self) -> io::Result<Option<Stamp>> {
        let metadata = match &self.place {
            Place::Open(file) => file.metadata().map(Some)?,
            Place::Earlier(_) | Place::Closed(_) => unless_missing(fs::metadata(self.path()))?,
        };
        Ok(metadata.as_ref().map(Stamp::of))
    }

    /// Returns true if all lines were written before a time.
    #[must_use]
    pub fn is_before(&self, time: SystemTime) -> bool {
        match &self.place {
            Place::Earlier(path) => super::is_before(path, time),
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

    /// Returns the hash that the last record was written with by the seal of a compressed segment, which is read without the lines, or `None` for
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
        let read = File::open(&closed.path).and_then(|file| seal::read(&file));
        let seal = unless_missing(read)?.flatten();
        Ok(seal.map(|seal| seal.original.as_str().to_owned()))
    }

    /// Returns the name of the segment that stays whatever becomes of it: a hash of its first line, as it was written. Returns `None`
    /// before that line is whole, or if the segment was deleted.
    ///
    /// # Errors
    ///
    /// The system's error, or the segment is damaged.
    pub fn identity(&self) -> io::Result<Option<Identity>> {
        let Some(mut reader) = self.reader(0)? else {
            return Ok(None);
        };
        let line = reader.line(MAX_FIRST)?;
        if !line.ends_with(b"\n") && line.len() < MAX_FIRST {
            return Ok(None);
        }
        // A record has the same hash whatever was removed from it.
        let original = Chained::read(line.strip_suffix(b"\n").unwrap_or(line));
        let digest = match original.map(|chained| chained.original()) {
            Some(original) => Sha256::digest(original.as_str()),
            None => Sha256::digest(line),
        };
        let mut identity = Identity::default();
        for (to, from) in identity.iter_mut().zip(digest) {
            *to = from;
        }
        Ok(Some(identity))
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
            last: None,
        }))
    }

    fn reader(&self, place: u64) -> io::Result<Option<Reader>> {
        match &self.place {
            Place::Earlier(path) => unless_missing(Reader::file(path, place)),
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
        line.clear();
        let Some((chained, _)) = self.advance()? else {
            return Ok(false);
        };
        line.extend_from_slice(chained);
        unchain(line);
        Ok(true)
    }

    /// Returns the next line, without its newline and with its chain, and what [`record`](Self::record) returns from then on. Returns
    /// `None` if there is none.
    ///
    /// # Errors
    ///
    /// The system's error, or the segment is damaged.
    pub fn advance(&mut self) -> io::Result<Option<(&[u8], Option<u64>)>> {
        let line = self.reader.line(usize::MAX)?;
        let Some(whole) = line.strip_suffix(b"\n") else {
            return Ok(None);
        };
        self.place += line.len() as u64;
        if let Some(chained) = Chained::read(whole) {
            self.last = Some((chained.place, chained.original()));
        }
        let record = self.last.map(|(place, _)| place.record);
        Ok(Some((whole, record)))
    }

    /// Returns the place after the last line that was read, in bytes of the uncompressed segment.
    #[must_use]
    pub const fn place(&self) -> u64 {
        self.place
    }

    /// Returns the hash that the last record was written with that was read, or `None` if none had a chain.
    #[must_use]
    pub fn hash(&self) -> Option<&str> {
        self.last.as_ref().map(|(_, link)| link.as_str())
    }

    /// Returns the number of the last record that was read in its segment, or `None` if none had a chain.
    #[must_use]
    pub fn record(&self) -> Option<u64> {
        self.last.map(|(place, _)| place.record)
    }
}

impl std::fmt::Debug for WholeLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WholeLines")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
