//! `[upgrade]`, as written.

use std::path::PathBuf;

use serde::Deserialize;

/// `[upgrade]`
#[derive(Debug, Default, Deserialize)]
pub struct UpgradeFile {
    /// The Unix socket on which a new process asks to take over.
    pub socket: Option<PathBuf>,
}
