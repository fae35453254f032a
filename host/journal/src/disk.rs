//! The directory of a journal: the file operations that it needs, and the lock that makes them one process's.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The name of the locked file.
const LOCK: &str = "lock";

/// The end of a file's name until the file is complete.
const UNFINISHED: &str = ".unfinished";

/// The interval between looks at a lock.
const LOCK_POLL: Duration = Duration::from_millis(10);

/// The files of a journal. Tests put disks in its place that fail.
pub trait Disk: Send + Sync + 'static {
    /// Returns the names of all files.
    ///
    /// # Errors
    ///
    /// The directory can't be read.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Reads a whole file.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// Creates an empty file to append to, in place of one that an earlier attempt left. Its name survives a loss of power.
    ///
    /// # Errors
    ///
    /// The directory can't be written.
    fn create(&self, name: &str) -> io::Result<Arc<dyn Tape>>;

    /// Writes a whole file: after a crash it is there with all of its content, or not at all. Survives a loss of power once
    /// this returns.
    ///
    /// # Errors
    ///
    /// The file can't be written. There is no file of the name then, or the one that was there.
    fn publish(&self, name: &str, content: &[u8]) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// The directory can't be written.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Lets another process have the files. Nothing else is called after it.
    ///
    /// # Errors
    ///
    /// The system refuses. The files are free once this process has ended.
    fn release(&self) -> io::Result<()>;
}

/// A file that only grows.
pub trait Tape: Send + Sync + 'static {
    /// Appends bytes. They survive the process once this returns.
    ///
    /// # Errors
    ///
    /// The file can't be written. A part of the bytes may be there.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file to this length.
    ///
    /// # Errors
    ///
    /// The file can't be cut.
    fn cut(&self, length: u64) -> io::Result<()>;

    /// Makes all bytes survive a loss of power.
    ///
    /// # Errors
    ///
    /// The disk refused. It is not known which bytes survive.
    fn sync(&self) -> io::Result<()>;
}

/// A directory that this process has locked. The lock is free once this is dropped or the process ends.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// The directory itself, for its sync.
    handle: File,
    lock: File,
}

// === impl Directory ===

impl Directory {
    /// Creates the directory if it is missing, and locks it. Waits for another process to let go of it for up to `patience`;
    /// returns `None` if it does not.
    ///
    /// # Errors
    ///
    /// The directory can't be created or locked.
    pub fn lock(path: &Path, patience: Duration) -> io::Result<Option<Self>> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK))?;
        let begun = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if begun.elapsed() < patience => {
                    std::thread::sleep(LOCK_POLL);
                }
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        let directory = Self {
            path: path.to_owned(),
            handle: File::open(path)?,
            lock,
        };
        for name in directory.list()? {
            if name.ends_with(UNFINISHED) {
                directory.remove(&name)?;
            }
        }
        Ok(Some(directory))
    }

    /// Opens the directory to read files of a process that may still write them.
    pub(crate) fn unlocked(path: &Path) -> io::Result<Self> {
        let handle = File::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            lock: handle.try_clone()?,
            handle,
        })
    }

    fn open_new(&self, name: &str) -> io::Result<File> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(self.path.join(name))?;
        file.set_len(0)?;
        Ok(file)
    }
}

impl Disk for Directory {
    fn list(&self) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(&self.path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.path.join(name))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn Tape>> {
        let file = self.open_new(name)?;
        self.handle.sync_all()?;
        Ok(Arc::new(file))
    }

    fn publish(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let unfinished = format!("{name}{UNFINISHED}");
        let written = (|| {
            let mut file = self.open_new(&unfinished)?;
            file.write_all(content)?;
            file.sync_all()?;
            std::fs::rename(self.path.join(&unfinished), self.path.join(name))?;
            self.handle.sync_all()
        })();
        if written.is_err() {
            // It may never have been there. The rest of it is removed at the next start.
            let _ = self.remove(&unfinished);
        }
        written
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn release(&self) -> io::Result<()> {
        self.lock.unlock()
    }
}

impl Tape for File {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = self;
        file.write_all(bytes)
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
