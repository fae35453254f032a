//! A folder in the making: it has its name when it is whole, and is gone when something failed.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A hidden folder beside the one that it becomes.
pub(in crate::plugin) struct Staging {
    path: PathBuf,
}

// === impl Staging ===

impl Staging {
    /// Begins to make `folder`, which is not there yet, in the folder `into`.
    ///
    /// # Errors
    ///
    /// When `folder` is there already, or nothing can be made in `into`.
    pub(in crate::plugin) fn begin(into: &Path, folder: &Path) -> anyhow::Result<Self> {
        check_free(folder)?;
        let path = into.join(format!(".witgate-new-{}", std::process::id()));
        std::fs::create_dir(&path)
            .map_err(|error| anyhow::anyhow!("{} can't be made: {error}", folder.display()))?;
        Ok(Self { path })
    }

    /// Writes a file, and the folders above it.
    pub(in crate::plugin) fn write(&self, file: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path.join(file);
        path.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&path, text))
            .with_context(|| format!("{file} can't be written"))
    }

    /// Gives the whole folder its name.
    pub(in crate::plugin) fn finish(self, folder: &Path) -> anyhow::Result<()> {
        check_free(folder)?;
        std::fs::rename(&self.path, folder)
            .map_err(|error| anyhow::anyhow!("{} can't be made: {error}", folder.display()))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // It is gone already where all went well.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// A link that leads nowhere is something, too.
fn check_free(folder: &Path) -> anyhow::Result<()> {
    match std::fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(_) | Err(_) => anyhow::bail!(
            "{} is there already: take another name, or remove it",
            folder.display()
        ),
    }
}
