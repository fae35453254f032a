//! Temporary folders.

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// A temporary folder of this user's own, removed on drop.
pub(crate) struct TemporaryFolder {
    path: PathBuf,
}

// === impl TemporaryFolder ===

impl TemporaryFolder {
    /// Creates a folder whose name begins with `name`.
    pub(crate) fn try_new(name: &str) -> io::Result<Self> {
        let (process, random) = (std::process::id(), rand::random::<u32>());
        let path = std::env::temp_dir().join(format!("{name}-{process}-{random:08x}"));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // A leftover is small, and lies in the system's temporary folder.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
