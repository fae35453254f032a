//! `[keys]`: the callers that are let in.

use std::path::PathBuf;

use serde::Deserialize;
use witgate_config_file::Check;

/// The callers that are let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// Callers whose virtual key is in this file.
    File(PathBuf),
    /// Every caller, with any key or none: `insecure_open = true`.
    Open,
}

#[derive(Debug, Deserialize)]
pub(super) struct KeysFile {
    file: Option<PathBuf>,
    #[serde(default)]
    insecure_open: bool,
}

// === impl KeysFile ===

impl KeysFile {
    pub(super) fn check(self, check: &mut Check<'_>) -> Keys {
        match (self.file, self.insecure_open) {
            (Some(file), false) => return Keys::File(check.file("file", file)),
            (None, true) => return Keys::Open,
            (Some(_), true) => check.problem(
                "insecure_open",
                "must not be set beside `file`; remove one of the two",
            ),
            // A key with a wrong value has been reported.
            (None, false) if check.has_problem("") => {}
            (None, false) => check.problem(
                "",
                "needs `file`, the file of virtual keys; `witgate key new` makes one",
            ),
        }
        // A stand-in that lets no caller in.
        Keys::File(PathBuf::new())
    }
}
