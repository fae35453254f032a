//! `[state]`: the directory of the durable store.

use std::path::PathBuf;

use serde::Deserialize;
use witgate_config_file::Check;

#[derive(Debug, Default, Deserialize)]
pub(super) struct StateFile {
    directory: Option<PathBuf>,
}

// === impl StateFile ===

impl StateFile {
    /// Returns the directory, which need not exist yet.
    pub(super) fn check(self, check: &mut Check<'_>) -> Option<PathBuf> {
        let path = check.resolve(self.directory?);
        if path.exists() && !path.is_dir() {
            check.problem(
                "directory",
                format!("{} is not a directory", path.display()),
            );
        }
        Some(path)
    }
}
