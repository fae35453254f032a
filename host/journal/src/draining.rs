//! The journal of a process that has handed over and drains.
//!
//! It goes on with its journal, in its epoch, beside the one of the process that has taken over: what its exchanges still do survives
//! it like everything before, with the names of their holds. A mark tells that the files of the epoch belong to it. The process
//! locks the mark for as long as it lives. Once the lock is free, another process makes the steps of the epoch that it has not
//! heard of, ends the holds that were left open, and removes the mark.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use witgate_ledger::{Change, Position, Step};

use crate::disk::{Directory, Disk};
use crate::file::Name;
use crate::recover::{OnDamage, RecoverError, Recovered, last_epoch, names, recover_heard};

/// The beginning of a mark's name.
const PREFIX: &str = "draining-";

/// A mark that this process has locked.
#[derive(Debug)]
pub struct Mark {
    epoch: u64,
    path: PathBuf,
    /// Its lock is free once this is dropped or the process ends.
    file: File,
}

/// An epoch of a process that has handed over, or was about to.
#[derive(Debug)]
pub enum Draining {
    /// The process lives.
    Alive(u64),
    /// The process is gone.
    Dead(Mark),
}

/// A step of such a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The place of the step.
    pub position: Position,
    /// The step.
    pub step: Step,
    /// The name of the hold on its first step, or of a reset; empty on later steps, and if it has none.
    pub name: Arc<str>,
    /// The changes of its balances.
    pub changes: Vec<Change>,
}

/// Returns the epochs with marks in the directory of a journal.
///
/// # Errors
///
/// The directory can't be read.
pub fn draining(directory: &Path) -> io::Result<Vec<Draining>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let Some(epoch) = epoch_of(&entry.file_name().to_string_lossy()) else {
            continue;
        };
        match Mark::take(epoch, entry.path()) {
            Ok(Some(mark)) => found.push(Draining::Dead(mark)),
            Ok(None) => found.push(Draining::Alive(epoch)),
            // Its process has just removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    found.sort_by_key(Draining::epoch);
    Ok(found)
}

/// Reads back the journal of one epoch, also while its process writes it. Returns the steps after `after` in order, as well.
///
/// # Errors
///
/// A file can't be read. What is damaged is left out.
pub fn read_epoch(
    directory: &Path,
    epoch: u64,
    after: u64,
) -> Result<(Recovered, Vec<Heard>), RecoverError> {
    let unreadable = |error| RecoverError::Unreadable {
        file: "the directory".into(),
        error,
    };
    let disk = Directory::unlocked(directory).map_err(unreadable)?;
    let mut names = names(&disk).map_err(unreadable)?;
    names.retain(|name| name.position.epoch == epoch);
    recover_heard(&disk, &names, OnDamage::Accept, after)
}

/// Returns the last epoch of the journal in a directory, or 0 without one.
///
/// # Errors
///
/// The directory can't be read.
pub fn newest_epoch(directory: &Path) -> io::Result<u64> {
    last_epoch(&Directory::unlocked(directory)?)
}

/// Returns the epochs whose files belong to a process that drains, or to one that has died so.
pub(crate) fn marked(disk: &dyn Disk) -> BTreeSet<u64> {
    let names = disk.list().unwrap_or_default();
    names.iter().filter_map(|name| epoch_of(name)).collect()
}

fn epoch_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?;
    u64::from_str_radix(digits, 16).ok()
}

// === impl Draining ===

impl Draining {
    /// Returns the epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        match self {
            Self::Alive(epoch) => *epoch,
            Self::Dead(mark) => mark.epoch,
        }
    }
}

// === impl Mark ===

impl Mark {
    /// Marks an epoch as this process's.
    ///
    /// # Errors
    ///
    /// The directory can't be written, or another process has the mark.
    pub fn set(directory: &Path, epoch: u64) -> io::Result<Self> {
        let path = directory.join(format!("{PREFIX}{epoch:016x}"));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)?;
        file.try_lock()?;
        // The time from which on the process may have handed over.
        file.set_modified(SystemTime::now())?;
        Ok(Self { epoch, path, file })
    }

    /// Locks a mark, or returns `None` if its process lives.
    fn take(epoch: u64, path: PathBuf) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().write(true).open(&path)?;
        match file.try_lock() {
            Ok(()) if file.metadata()?.nlink() == 0 => Err(io::ErrorKind::NotFound.into()),
            Ok(()) => Ok(Some(Self { epoch, path, file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Returns the epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns the time at which the process began to hand over.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn since(&self) -> io::Result<SystemTime> {
        self.file.metadata()?.modified()
    }

    /// Removes the mark. The files of the epoch stay.
    ///
    /// # Errors
    ///
    /// The directory can't be written.
    pub fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }

    /// Removes the mark, and the files of the epoch.
    ///
    /// # Errors
    ///
    /// The directory can't be written. What is left is removed with the next snapshot.
    pub fn clear(self) -> io::Result<()> {
        // First, because without a mark what is left of the files counts as old.
        std::fs::remove_file(&self.path)?;
        let directory = self.path.parent().unwrap_or(Path::new("."));
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let name = Name::parse(&entry.file_name().to_string_lossy());
            if name.is_some_and(|name| name.position.epoch == self.epoch) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}
