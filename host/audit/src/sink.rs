//! Destinations of lines.

mod file;

pub use file::File;
pub(crate) use file::is_at;

use std::io;
use std::io::Write;

/// A destination of lines.
pub trait Sink: Send + 'static {
    /// Appends whole lines.
    ///
    /// # Errors
    /// [`Stopped`], if not all bytes were accepted. Complete lines are not offered again; a line that was cut is.
    fn append(&mut self, lines: &[u8]) -> Result<(), Stopped>;

    /// Reopens the destination, for example because its file was moved away.
    ///
    /// # Errors
    /// The system's error. The sink then retries at the next line.
    fn reopen(&mut self) -> io::Result<()>;
}

impl Sink for Box<dyn Sink> {
    fn append(&mut self, lines: &[u8]) -> Result<(), Stopped> {
        (**self).append(lines)
    }

    fn reopen(&mut self) -> io::Result<()> {
        (**self).reopen()
    }
}

/// A write that a sink did not complete.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct Stopped {
    /// Number of bytes accepted, possibly ending in the middle of a line.
    pub taken: usize,
    /// The system's error, for the operator to resolve.
    pub source: io::Error,
}

/// A sink that discards everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Null;

/// State of the last write: at the end of a line or within one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Torn {
    #[default]
    No,
    Yes,
}

/// Writes lines, with a single `write(2)` if the system accepts them at once. A line that was cut before is ended first, so
/// that it does not corrupt the next one.
fn write_lines(file: &mut std::fs::File, torn: &mut Torn, lines: &[u8]) -> Result<(), Stopped> {
    if *torn == Torn::Yes {
        file.write_all(b"\n")
            .map_err(|source| Stopped { taken: 0, source })?;
        *torn = Torn::No;
    }
    let mut rest = lines;
    while !rest.is_empty() {
        let result = match file.write(rest) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result,
        };
        match result {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(source) => {
                let taken = lines.len() - rest.len();
                if lines
                    .get(..taken)
                    .and_then(<[u8]>::last)
                    .is_some_and(|last| *last != b'\n')
                {
                    *torn = Torn::Yes;
                }
                return Err(Stopped { taken, source });
            }
        }
    }
    Ok(())
}

// === impl Null ===

impl Sink for Null {
    fn append(&mut self, _lines: &[u8]) -> Result<(), Stopped> {
        Ok(())
    }

    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}
