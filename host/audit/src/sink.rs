//! Where lines go.

mod file;

pub use file::{File, Rotation};

use std::io;
use std::io::Write;
use std::os::fd::AsFd;

/// Takes lines.
pub trait Sink: Send + 'static {
    /// Appends whole lines.
    ///
    /// # Errors
    /// [`Stopped`], where not all of them got in. Those that did are not offered again; the line that was cut is.
    fn append(&mut self, lines: &[u8]) -> Result<(), Stopped>;

    /// Gets hold of the place anew, for example because its file was moved away.
    ///
    /// # Errors
    /// What the system says. The sink then tries again at the next line.
    fn reopen(&mut self) -> io::Result<()>;
}

/// A sink that did not take everything.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct Stopped {
    /// How many bytes it took; it may end in the middle of a line.
    pub taken: usize,
    /// What the system says: the operator's to put right.
    pub source: io::Error,
}

/// The standard output. A write goes through unbuffered.
#[derive(Debug, Default)]
pub struct Stdout {
    pipe: Option<std::fs::File>,
    torn: Torn,
}

/// Takes everything and keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Null;

/// Whether what was written last ends within a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Torn {
    #[default]
    No,
    Yes,
}

/// Writes lines, with one `write(2)` where the system takes them at once. A line that was cut before is ended first,
/// so that it spoils no other.
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

// === impl Stdout ===

impl Sink for Stdout {
    fn append(&mut self, lines: &[u8]) -> Result<(), Stopped> {
        if self.pipe.is_none() {
            self.reopen()
                .map_err(|source| Stopped { taken: 0, source })?;
        }
        match &mut self.pipe {
            Some(pipe) => write_lines(pipe, &mut self.torn, lines),
            None => Err(Stopped {
                taken: 0,
                source: io::ErrorKind::NotConnected.into(),
            }),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.pipe = Some(io::stdout().as_fd().try_clone_to_owned()?.into());
        Ok(())
    }
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
