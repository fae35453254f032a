//! Detection of changed files, for the plugin directory and for embedders with files of their own.
//!
//! A [`Stamp`] is the metadata of a file: device, inode, length and both times. It shows nearly every change, for one system
//! call. It fails if a file is written twice within one tick of the file system's clock, and on file systems that give all
//! files the same times and inode. A [`Print`] therefore also has a hash of the content, which is taken again whenever the
//! stamp can't prove that the content is the same.
//!
//! Symlinks are followed, so replacing a directory behind a symlink, as Kubernetes does, is a change.
//!
//! A [`Watcher`] tells when it is time to look, as far as the operating system does.

mod watcher;

pub use watcher::{Heard, Waker, Watcher};

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

/// The age below which a file may be written again within the same tick of the file system's clock.
const RACY_WINDOW: Duration = Duration::from_secs(2);

/// The maximum number of bytes of a file that are hashed.
const MAX_HASHED_BYTES: u64 = 64 << 20;

/// The maximum number of bytes that are read at a time.
const MAX_PIECE_BYTES: usize = 64 << 10;

/// The metadata of a file that shows changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    len: u64,
    /// The time of the last write, which tools can set.
    modified: Option<SystemTime>,
    /// The time of the last change of content or permissions, which tools can't set.
    changed: Option<SystemTime>,
}

/// A file at some moment: its stamp and a hash of its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Print {
    /// The stamp, or `None` if the file does not exist or can't be inspected.
    stamp: Option<Stamp>,
    /// The hash of the content, or `None` if the file can't be read or is not a regular file.
    bytes: Option<[u8; 32]>,
    /// `true` if the file was so fresh that an equal stamp does not prove equal content.
    racy: bool,
}

/// The thoroughness of [`Print::again`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Look {
    /// Reads the content only if the stamp differs or proves nothing.
    Stamp,
    /// Always reads the content.
    Bytes,
}

// === impl Stamp ===

impl Stamp {
    /// Takes the stamp from a file's metadata.
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

    /// Returns whether the file was written so shortly before `now` that another write might leave the same stamp.
    pub fn is_racy(&self, now: SystemTime) -> bool {
        [self.modified, self.changed]
            .into_iter()
            .flatten()
            .any(|at| now.duration_since(at).map_or(true, |age| age < RACY_WINDOW))
    }

    /// Returns the length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether the file is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns whether both stamps are of the same file, rather than of one that replaced the other.
    pub fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Returns whether the file was renamed after it was written. A write sets both times to the same value; a later rename
    /// only advances the one that tools can't set.
    pub fn is_renamed(&self) -> bool {
        match (self.modified, self.changed) {
            (Some(modified), Some(changed)) => changed > modified,
            (None, _) | (_, None) => false,
        }
    }
}

// === impl Print ===

impl Print {
    /// Takes the print of a file. Take it before you read the file, so that a change in between shows afterwards.
    pub fn of(path: &Path) -> Self {
        Self::taken(path, None)
    }

    /// Takes a new print of the same file, which can reuse the hash of this one.
    #[must_use]
    pub fn again(&self, path: &Path, look: Look) -> Self {
        match look {
            Look::Stamp => Self::taken(path, Some(self)),
            Look::Bytes => Self::taken(path, None),
        }
    }

    /// Returns whether the file's stamp proves that its content is still the same. Reads nothing.
    pub fn is_proven(&self, path: &Path) -> bool {
        match (&self.stamp, fs::metadata(path)) {
            (Some(stamp), Ok(metadata)) => {
                !self.racy && self.bytes.is_some() && Stamp::of(&metadata) == *stamp
            }
            (None, Err(_)) => true,
            (Some(_), Err(_)) | (None, Ok(_)) => false,
        }
    }

    /// Returns the stamp, or `None` if the file does not exist or can't be inspected.
    pub fn stamp(&self) -> Option<&Stamp> {
        self.stamp.as_ref()
    }

    /// Returns whether the file changed in the last two seconds before this print.
    pub fn is_fresh(&self) -> bool {
        self.racy
    }

    /// Returns whether both prints have the same content, whatever their stamps are. If neither content could be read, compares
    /// the stamps.
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
        // The stamp is older than the content, so a change in between shows in the next print.
        let stamp = Stamp::of(&metadata);
        let racy = stamp.is_racy(SystemTime::now());
        let proven = before.filter(|before| {
            !before.racy && before.bytes.is_some() && before.stamp.as_ref() == Some(&stamp)
        });
        let bytes = match proven {
            Some(before) => before.bytes,
            // Reading anything else, such as a pipe, may never end.
            None if metadata.is_file() => hash(path, metadata.len()).ok(),
            None => None,
        };
        Self {
            stamp: Some(stamp),
            bytes,
            racy,
        }
    }
}

/// Returns the hash of a file of about this length.
fn hash(path: &Path, len: u64) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?.take(MAX_HASHED_BYTES);
    let mut hash = Sha256::new();
    let room = usize::try_from(len).unwrap_or(MAX_PIECE_BYTES);
    let mut piece = vec![0; room.clamp(1, MAX_PIECE_BYTES)];
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
