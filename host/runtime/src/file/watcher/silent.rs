//! Events of systems whose way to tell is not used here: none.

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// Events, which can't be had.
#[derive(Debug)]
pub(super) struct Events(Infallible);

/// An object that would be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Directory,
    Link,
    File,
    Folder,
}

/// The extent to which a file system tells of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "the same words as on Linux")]
pub(super) enum Telling {
    All,
    Names,
    Some,
}

// === impl Events ===

impl Events {
    pub(super) fn try_new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn add(&self, _path: &Path, _place: Place) -> io::Result<()> {
        match self.0 {}
    }

    pub(super) fn drain(&self) {
        match self.0 {}
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }
}

// === impl Telling ===

impl Telling {
    pub(super) fn of(_path: &Path) -> io::Result<Self> {
        Ok(Self::Some)
    }
}
