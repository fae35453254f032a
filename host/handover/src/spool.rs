//! A file of unacknowledged records, which the next process recovers.
//!
//! The process that writes the file locks it from before the handover until it ends. While the lock is held, more records
//! may come; once it is free, the process is gone. A recovered file is deleted.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The time for which a clock may have been set back.
const MARGIN: Duration = Duration::from_mins(1);

/// A spool that is locked by this process.
#[derive(Debug)]
pub(crate) struct Spool {
    file: File,
    path: PathBuf,
    content: Content,
}

#[derive(Debug, PartialEq, Eq)]
enum Content {
    Empty,
    Lines,
}

/// The state of a spool's path.
#[derive(Debug)]
pub(crate) enum Found {
    /// There is no file, or no longer one.
    Missing,
    /// The process that writes the file is alive.
    InUse,
    /// The process is gone; the file is to be recovered.
    Orphaned(Spool),
}

/// Returns the path of this process's spool: beside the receipts file, or beside the upgrade socket without one.
pub(crate) fn spool_path(base: &Path) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(format!(".handover-{}", std::process::id()));
    PathBuf::from(name)
}

// === impl Spool ===

impl Spool {
    /// Creates a spool and locks it.
    ///
    /// # Errors
    ///
    /// The file exists, left by an earlier process with the same id, or the folder can't be written.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.try_lock()?;
        Ok(Self {
            file,
            path: path.to_owned(),
            content: Content::Empty,
        })
    }

    /// Looks for a spool at `path`, and locks it if its process is gone.
    pub(crate) fn find(path: &Path) -> io::Result<Found> {
        let file = match OpenOptions::new().read(true).append(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Found::InUse),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Another process may have deleted it before the lock.
        if file.metadata()?.nlink() == 0 {
            return Ok(Found::Missing);
        }
        Ok(Found::Orphaned(Self {
            file,
            path: path.to_owned(),
            content: Content::Lines,
        }))
    }

    /// Returns the paths of the spools beside `base`, sorted.
    pub(crate) fn beside(base: &Path) -> io::Result<Vec<PathBuf>> {
        let folder = match base.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut prefix = base.file_name().unwrap_or_default().to_owned();
        prefix.push(".handover-");
        let prefix = prefix.to_string_lossy().into_owned();
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                found.push(entry.path());
            }
        }
        found.sort();
        Ok(found)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the time before which no other process has written any of its receipts, or `None` if the file system does not know
    /// it.
    pub(crate) fn since(&self) -> Option<SystemTime> {
        let created = self.file.metadata().and_then(|metadata| metadata.created());
        created.ok()?.checked_sub(MARGIN)
    }

    /// Appends lines, all of them or none.
    pub(crate) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let before = self.file.metadata()?.len();
        let written = self.file.write_all(lines);
        if written.is_err() {
            // A retry would write the first half twice.
            self.file.set_len(before)?;
        } else {
            self.content = Content::Lines;
        }
        written
    }

    /// Returns the whole lines. The process died while it wrote a last line that is cut short.
    pub(crate) fn lines(&mut self) -> io::Result<Vec<u8>> {
        let mut lines = Vec::new();
        self.file.read_to_end(&mut lines)?;
        let whole = lines
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        lines.truncate(whole);
        Ok(lines)
    }

    /// Deletes a recovered spool.
    pub(crate) fn delete(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }

    /// Unlocks the spool and leaves it to the next process; deletes it if it is empty.
    pub(crate) fn leave(self) {
        if self.content == Content::Empty
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "could not delete an empty spool");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_is_in_use_until_its_process_lets_go_and_is_taken_in_once() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("receipts.jsonl");
        let path = folder.path().join("receipts.jsonl.handover-7");
        let mut spool = Spool::create(&path).unwrap();
        let found = Spool::beside(&base).unwrap();
        assert_eq!(found, std::slice::from_ref(&path), "it is found");
        assert!(Spool::create(&path).is_err(), "a second one is refused");
        spool.append(b"one\ntwo\n").unwrap();
        spool.append(b"cut").unwrap();
        assert!(
            matches!(Spool::find(&path).unwrap(), Found::InUse),
            "more may come"
        );
        spool.leave();
        let Found::Orphaned(mut left) = Spool::find(&path).unwrap() else {
            panic!("it is free");
        };
        assert_eq!(left.lines().unwrap(), b"one\ntwo\n", "its whole lines");
        left.delete().unwrap();
        assert!(
            matches!(Spool::find(&path).unwrap(), Found::Missing),
            "and then it is gone"
        );
    }

    #[test]
    fn an_empty_spool_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("receipts.jsonl.handover-7");
        Spool::create(&path).unwrap().leave();
        assert!(!path.exists(), "no file");
    }
}
