//! Atomic creation of a folder: it gets its name when it is complete, and is removed if something fails.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A hidden folder that becomes the new folder.
pub(in crate::plugin) struct Staging {
    path: PathBuf,
}

// === impl Staging ===

impl Staging {
    /// Starts to create `folder` in the folder `into`.
    ///
    /// # Errors
    ///
    /// Returns an error if `folder` already exists, or if `into` is not writable.
    pub(in crate::plugin) fn begin(into: &Path, folder: &Path) -> anyhow::Result<Self> {
        check_free(folder)?;
        let path = into.join(format!(".witgate-new-{}", std::process::id()));
        std::fs::create_dir(&path)
            .map_err(|error| anyhow::anyhow!("cannot create {}: {error}", folder.display()))?;
        Ok(Self { path })
    }

    /// Writes a file and creates its parent folders.
    pub(in crate::plugin) fn write(&self, file: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path.join(file);
        path.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&path, text))
            .with_context(|| format!("cannot write {file}"))
    }

    /// Gives the complete folder its name.
    pub(in crate::plugin) fn finish(self, folder: &Path) -> anyhow::Result<()> {
        check_free(folder)?;
        std::fs::rename(&self.path, folder)
            .map_err(|error| anyhow::anyhow!("cannot create {}: {error}", folder.display()))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After a success the folder has been renamed.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Checks that nothing has the name of the new folder, not even a dangling link.
fn check_free(folder: &Path) -> anyhow::Result<()> {
    match std::fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(_) | Err(_) => anyhow::bail!(
            "{} already exists: choose another name, or remove it",
            folder.display()
        ),
    }
}
