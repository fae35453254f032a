//! How to tell that a file has changed, whoever changed it and however.
//!
//! A [`Stamp`] is what the file system says about a file: device, inode, length and both times. It tells nearly every
//! change, and costs one system call. It fails for a file that is written twice within one tick of the clock, and on
//! stores that give every file the same times and inode. A [`Print`] therefore also holds a hash of the bytes, which is
//! taken again whenever the stamp can't prove that they are the same.
//!
//! Links are followed: the file at the end of the link counts, so a directory that is swapped behind a link, as
//! Kubernetes does it, is a change.

use sha2::{Digest, Sha256};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A file that was written this recently may be written again within the same tick of the file system's clock.
const RACY: Duration = Duration::from_secs(2);

/// Most bytes of a file that are hashed.
const HASHED: u64 = 64 << 20;

/// What the file system says about a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    len: u64,
    /// The time of the last write, which tools can set.
    modified: Option<SystemTime>,
    /// The file system's own time of the last change. It tells what tools hide that set the other one, and a change of
    /// permissions.
    changed: Option<SystemTime>,
}

/// A file as it was at some moment: its stamp and a hash of its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Print {
    /// `None` if there is no such file, or it can't be looked at.
    stamp: Option<Stamp>,
    /// `None` if the file can't be read or is no regular file.
    bytes: Option<[u8; 32]>,
    /// Whether the file was so fresh that an equal stamp doesn't prove equal bytes.
    racy: bool,
}

/// How closely [`Print::again`] looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Reads the bytes only if the stamp differs or can't tell.
    Stamp,
    /// Reads the bytes in any case.
    Bytes,
}

// === impl Stamp ===

impl Stamp {
    /// Takes the stamp out of what the system says about a file.
    pub fn of(metadata: &Metadata) -> Self {
        let seconds = u64::try_from(metadata.ctime()).unwrap_or(0);
        let nanos = u32::try_from(metadata.ctime_nsec()).unwrap_or(0);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            modified: metadata.modified().ok(),
            changed: SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos)),
        }
    }

    /// Tells whether the file was written so shortly before `now` that another write would leave the same stamp.
    pub fn is_racy(&self, now: SystemTime) -> bool {
        [self.modified, self.changed]
            .into_iter()
            .flatten()
            .any(|at| now.duration_since(at).map_or(true, |age| age < RACY))
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Tells whether the file has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Tells whether the two are of one file, and not of one that took the other's place.
    pub fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Tells whether the file was put in its place after it had been written. A write sets both times to the same value;
    /// a rename afterwards moves the one that tools can't set.
    pub fn is_renamed(&self) -> bool {
        match (self.modified, self.changed) {
            (Some(modified), Some(changed)) => changed > modified,
            (None, _) | (_, None) => false,
        }
    }
}

// === impl Print ===

impl Print {
    /// Looks at a file. Take a print before reading the file, so that a change while it is read shows as a difference
    /// afterwards.
    pub fn of(path: &Path) -> Self {
        Self::taken(path, None)
    }

    /// Looks at the file of this print again. The bytes are read only where the stamp can't tell, unless `look` says
    /// otherwise.
    #[must_use]
    pub fn again(&self, path: &Path, look: Look) -> Self {
        match look {
            Look::Stamp => Self::taken(path, Some(self)),
            Look::Bytes => Self::taken(path, None),
        }
    }

    /// What the file system said.
    pub fn stamp(&self) -> Option<&Stamp> {
        self.stamp.as_ref()
    }

    /// Tells whether the file was changed within the last two seconds before it was looked at.
    pub fn is_fresh(&self) -> bool {
        self.racy
    }

    /// Tells whether both prints are of the same content, wherever it lies and whenever it was written. Where the bytes
    /// of one could not be read, everything has to be equal.
    pub fn is_same_content(&self, other: &Self) -> bool {
        match (&self.bytes, &other.bytes) {
            (Some(one), Some(other)) => one == other,
            (None, None) => self.stamp == other.stamp,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    fn taken(path: &Path, before: Option<&Self>) -> Self {
        let Ok(metadata) = fs::metadata(path) else {
            return Self::default();
        };
        // The stamp is older than the bytes: a change between the two shows at the next look.
        let stamp = Stamp::of(&metadata);
        let racy = stamp.is_racy(SystemTime::now());
        let proven = before.filter(|before| {
            !before.racy && before.bytes.is_some() && before.stamp.as_ref() == Some(&stamp)
        });
        let bytes = match proven {
            Some(before) => before.bytes,
            // Reading anything else may never end, as that of a pipe.
            None if metadata.is_file() => hash(path).ok(),
            None => None,
        };
        Self {
            stamp: Some(stamp),
            bytes,
            racy,
        }
    }
}

fn hash(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?.take(HASHED);
    let mut hash = Sha256::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count = match file.read(&mut piece) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(piece.get(..count).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    /// Sets the time of the last write, as `rsync -t` and image layers do.
    fn set_time(path: &Path, at: SystemTime) {
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(at).unwrap();
    }

    #[test]
    fn a_file_of_the_same_length_and_time_in_its_place_is_another() {
        let folder = folder();
        let (file, new) = (folder.path().join("a"), folder.path().join("b"));
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        fs::write(&file, "one").unwrap();
        set_time(&file, at);
        let before = Print::of(&file);
        fs::write(&new, "two").unwrap();
        set_time(&new, at);
        fs::rename(&new, &file).unwrap();
        let after = before.again(&file, Look::Stamp);
        assert!(!before.is_same_content(&after), "the bytes differ");
        let (before, after) = (before.stamp().unwrap(), after.stamp().unwrap());
        assert!(!before.is_same_file(after), "so does the inode");
        assert!(after.is_renamed(), "and it was put there whole");
    }

    #[test]
    fn a_file_that_is_written_twice_within_one_tick_is_read_again() {
        let folder = folder();
        let file = folder.path().join("a");
        fs::write(&file, "one").unwrap();
        let before = Print::of(&file);
        // The stamp of the second write may be the same; this one is made so.
        fs::write(&file, "two").unwrap();
        let blind = Print {
            stamp: Some(Stamp::of(&fs::metadata(&file).unwrap())),
            ..before
        };
        let after = blind.again(&file, Look::Stamp);
        assert!(
            !blind.is_same_content(&after),
            "a fresh stamp proves nothing"
        );
    }

    #[test]
    fn a_store_whose_stamps_never_change_is_seen_through_by_its_bytes() {
        let folder = folder();
        let file = folder.path().join("a");
        fs::write(&file, "two").unwrap();
        let stamp = Stamp::of(&fs::metadata(&file).unwrap());
        let old = Print {
            stamp: Some(stamp),
            bytes: Some([0; 32]),
            racy: false,
        };
        assert!(
            old.is_same_content(&old.again(&file, Look::Stamp)),
            "by its stamp it is the same"
        );
        assert!(
            !old.is_same_content(&old.again(&file, Look::Bytes)),
            "by its bytes it is not"
        );
    }

    #[test]
    fn a_link_that_is_led_elsewhere_is_a_change() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        for version in ["v1", "v2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("keys"), version).unwrap();
        }
        symlink("v1", at("data")).unwrap();
        symlink("data/keys", at("keys")).unwrap();
        let before = Print::of(&at("keys"));
        symlink("v2", at("next")).unwrap();
        fs::rename(at("next"), at("data")).unwrap();
        let after = before.again(&at("keys"), Look::Stamp);
        assert!(!before.is_same_content(&after), "the target counts");
    }

    #[test]
    fn a_touched_file_has_the_same_content_and_a_missing_one_has_none() {
        let folder = folder();
        let file = folder.path().join("a");
        fs::write(&file, "one").unwrap();
        let before = Print::of(&file);
        set_time(&file, SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        let touched = before.again(&file, Look::Stamp);
        assert_ne!(before.stamp(), touched.stamp(), "another stamp");
        assert!(before.is_same_content(&touched), "the same content");
        fs::remove_file(&file).unwrap();
        let gone = touched.again(&file, Look::Stamp);
        assert!(!touched.is_same_content(&gone), "gone is another");
        assert!(gone.is_same_content(&Print::of(&file)), "and stays so");
    }

    #[test]
    fn what_is_no_file_is_looked_at_and_never_read() {
        let folder = folder();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success(), "a pipe");
        let print = Print::of(&pipe);
        assert!(print.stamp().is_some(), "it is there");
        assert!(
            print.is_same_content(&print.again(&pipe, Look::Bytes)),
            "and the look comes back"
        );
    }
}
