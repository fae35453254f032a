//! `[prices]`: the price file.

use std::path::PathBuf;

use serde::Deserialize;
use witgate_config_file::Check;

#[derive(Debug, Default, Deserialize)]
pub(super) struct PricesFile {
    file: Option<PathBuf>,
}

// === impl PricesFile ===

impl PricesFile {
    pub(super) fn check(self, check: &mut Check<'_>) -> Option<PathBuf> {
        self.file.map(|file| check.file("file", file))
    }
}
