//! A file of lines, or a pipe or terminal.
//!
//! Several processes may append to the same file, as two do during a hand-over: the file is opened with `O_APPEND`, and a
//! batch is one `write(2)`. Before each batch the path is compared with the open file, so lines never go to a file that an
//! operator has deleted or moved away.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::{Sink, Stopped, Torn, write_lines};

/// The time within which another process's `write(2)` of a batch grows the file.
const WRITE_TIME: Duration = Duration::from_millis(50);

/// A file sink. A missing file is created, readable by its owner only.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    /// The open file, or `None` until it could be opened.
    file: Option<fs::File>,
    torn: Torn,
}

// === impl File ===

impl File {
    /// Creates a sink that appends to the file at `path`, which is opened on first use.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            file: None,
            torn: Torn::No,
        }
    }

    /// Ensures that the open file is the one at the path.
    fn prepare(&mut self) -> io::Result<()> {
        let Some(open) = &self.file else {
            return self.reopen();
        };
        let open = open.metadata()?;
        if !is_at(&open, &self.path)? {
            return self.reopen();
        }
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
        self.torn = tail(&mut file, || thread::sleep(WRITE_TIME))?;
        if self.torn == Torn::Yes {
            tracing::warn!(path = %self.path.display(), "the last receipt in the file was cut; its line is ended");
            write_lines(&mut file, &mut self.torn, b"").map_err(|stopped| stopped.source)?;
        }
        self.file = Some(file);
        Ok(())
    }
}

/// Returns true if this file is the one at the path.
pub(crate) fn is_at(open: &fs::Metadata, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns whether the last line is complete or was cut by a crash. Another process may be in the middle of a write, so a
/// line counts as cut only if the file has not grown after a `pause`.
fn tail(file: &mut fs::File, mut pause: impl FnMut()) -> io::Result<Torn> {
    let mut seen = None;
    loop {
        let length = file.metadata()?.len();
        if length == 0 {
            return Ok(Torn::No);
        }
        let mut last = [0];
        file.seek(SeekFrom::Start(length - 1))?;
        file.read_exact(&mut last)?;
        if last == *b"\n" {
            return Ok(Torn::No);
        }
        if seen.replace(length) == Some(length) {
            return Ok(Torn::Yes);
        }
        pause();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_line_that_another_process_is_still_writing_is_not_taken_for_a_cut_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("receipts.jsonl");
        fs::write(&path, "{\"id\":").unwrap();
        let mut file = fs::File::open(&path).unwrap();
        let mut rest = ["1", "}\n"].into_iter();
        let torn = tail(&mut file, || {
            let mut writer = OpenOptions::new().append(true).open(&path).unwrap();
            let rest = rest.next().expect("the line is complete by now");
            writer.write_all(rest.as_bytes()).unwrap();
        });
        assert_eq!(torn.unwrap(), Torn::No, "the write went on");

        fs::write(&path, "{\"id\":").unwrap();
        assert_eq!(
            tail(&mut file, || ()).unwrap(),
            Torn::Yes,
            "no write went on"
        );
    }
}
