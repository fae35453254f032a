//! The file of what nobody acknowledged: the log's lines, taken in by whoever serves next.
//!
//! Its lock is held by the process that writes it, from before the hand-over to its end: as long as the lock is held,
//! more may come; when it is free, the process is gone. A file whose lines have been taken in is deleted.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A spool that is locked by this process.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    path: PathBuf,
    content: Content,
}

#[derive(Debug, PartialEq, Eq)]
enum Content {
    Nothing,
    Lines,
}

/// What is at a spool's path.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing, or nothing any more.
    Nothing,
    /// A file whose process lives.
    InUse,
    /// A file to be taken in.
    Left(Spool),
}

// === impl Spool ===

impl Spool {
    /// Begins one.
    ///
    /// # Errors
    ///
    /// There is one already, of an earlier process of the same number, or the folder can't be written.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
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
            content: Content::Nothing,
        })
    }

    /// Looks at a path.
    pub(super) fn find(path: &Path) -> io::Result<Found> {
        let file = match OpenOptions::new().read(true).append(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Found::InUse),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // It may have been deleted between the two.
        if file.metadata()?.nlink() == 0 {
            return Ok(Found::Nothing);
        }
        Ok(Found::Left(Self {
            file,
            path: path.to_owned(),
            content: Content::Lines,
        }))
    }

    /// The spools beside `base` that are there.
    pub(super) fn beside(base: &Path) -> io::Result<Vec<PathBuf>> {
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

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends lines: all of them, or none that would be read.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let before = self.file.metadata()?.len();
        let written = self.file.write_all(lines);
        if written.is_err() {
            // Half a batch would be there twice when it is tried again.
            self.file.set_len(before)?;
        } else {
            self.content = Content::Lines;
        }
        written
    }

    /// Its whole lines. A last one that was cut was never written: its process died over it.
    pub(super) fn lines(&mut self) -> io::Result<Vec<u8>> {
        let mut lines = Vec::new();
        self.file.read_to_end(&mut lines)?;
        let whole = lines
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        lines.truncate(whole);
        Ok(lines)
    }

    /// Deletes it: it has been taken in.
    pub(super) fn delete(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }

    /// Lets go of it, and leaves it to whoever serves next if there is anything in it.
    pub(super) fn leave(self) {
        if self.content == Content::Nothing
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "an empty spool stays behind");
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
        let Found::Left(mut left) = Spool::find(&path).unwrap() else {
            panic!("it is free");
        };
        assert_eq!(left.lines().unwrap(), b"one\ntwo\n", "its whole lines");
        left.delete().unwrap();
        assert!(
            matches!(Spool::find(&path).unwrap(), Found::Nothing),
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
