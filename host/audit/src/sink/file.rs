//! A file of lines that is rotated by size.
//!
//! Several processes may append to the same file, as two do during a hand-over: it is opened with `O_APPEND`, and a
//! batch is one `write(2)`. Before each batch the path is compared with the open file, so lines never go to a file
//! that was deleted or moved away: not by an operator, and not by the other process's rotation.

use super::{Sink, Stopped, Torn, write_lines};
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::num::{NonZeroU32, NonZeroU64};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file that is created where it is missing, readable by its owner only.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    rotation: Option<Rotation>,
    /// None until it could be opened.
    file: Option<fs::File>,
    torn: Torn,
}

/// When a file is put aside and another begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes that a file has at least when it is put aside. It has at most one batch more.
    pub max_bytes: NonZeroU64,
    /// Files kept aside, `PATH.1` the youngest. The oldest is deleted for the next.
    pub keep: NonZeroU32,
}

// === impl File ===

impl File {
    /// Appends to the file at `path`, which is opened when it is first needed.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, rotation: Option<Rotation>) -> Self {
        Self {
            path: path.into(),
            rotation,
            file: None,
            torn: Torn::No,
        }
    }

    /// Makes sure that the open file is the one at the path, and that there is room in it.
    fn prepare(&mut self) -> io::Result<()> {
        let Some(open) = &self.file else {
            return self.reopen();
        };
        let open = open.metadata()?;
        if !is_at(&open, &self.path)? {
            return self.reopen();
        }
        if let Some(rotation) = self.rotation
            && open.len() >= rotation.max_bytes.get()
        {
            // A file too large is better than no receipts: lines go on into it, and the next batch tries again.
            if let Err(error) = self.rotate(rotation) {
                tracing::error!(path = %self.path.display(), %error, "the receipts could not be rotated");
            }
            if self.file.is_none() {
                return self.reopen();
            }
        }
        Ok(())
    }

    /// Moves the files up by one number and begins another.
    fn rotate(&mut self, rotation: Rotation) -> io::Result<()> {
        // Another process may be at it. Whoever comes second finds another file at the path, and joins it. Where the
        // file system knows no locks, rotating twice at once makes a short file, no more. The lock goes with the file.
        let Some(file) = &self.file else {
            return Ok(());
        };
        let _locked = file.lock();
        if is_at(&file.metadata()?, &self.path)? {
            let moved = shift(&self.path, rotation.keep);
            if moved.is_err() {
                let _unlocked = file.unlock();
                return moved;
            }
        }
        self.file = None;
        Ok(())
    }
}

impl Sink for File {
    fn append(&mut self, lines: &[u8]) -> Result<(), Stopped> {
        self.prepare()
            .map_err(|source| Stopped { taken: 0, source })?;
        match &mut self.file {
            Some(file) => write_lines(file, &mut self.torn, lines),
            None => Err(Stopped {
                taken: 0,
                source: io::ErrorKind::NotFound.into(),
            }),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.file = None;
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        self.torn = tail(&mut file)?;
        if self.torn == Torn::Yes {
            tracing::warn!(path = %self.path.display(), "the last receipt in the file was cut; its line is ended");
            write_lines(&mut file, &mut self.torn, b"").map_err(|stopped| stopped.source)?;
        }
        self.file = Some(file);
        Ok(())
    }
}

/// Whether this file is the one at the path.
fn is_at(open: &fs::Metadata, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a crash has cut the last line.
fn tail(file: &mut fs::File) -> io::Result<Torn> {
    if file.metadata()?.len() == 0 {
        return Ok(Torn::No);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(if last == *b"\n" { Torn::No } else { Torn::Yes })
}

/// Renames `path` to `path.1`, `path.1` to `path.2` and so on, up to the first number that is free: so a shift that
/// was stopped half-way is finished by the next and overwrites nothing.
fn shift(path: &Path, keep: NonZeroU32) -> io::Result<()> {
    let numbered = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    let mut last = 1;
    while last < keep.get() && numbered(last).try_exists()? {
        last += 1;
    }
    for number in (1..last).rev() {
        fs::rename(numbered(number), numbered(number + 1))?;
    }
    fs::rename(path, numbered(1))
}
