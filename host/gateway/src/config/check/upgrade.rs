//! `[upgrade]`, checked.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::Check;
use crate::config::file::upgrade::UpgradeFile;

/// Longest path of a Unix socket: `sun_path` has 108 bytes with the zero at its end, `unix(7)`.
const LONGEST: usize = 107;

// === impl Check ===

impl Check<'_> {
    pub(super) fn upgrade(&mut self, file: UpgradeFile) -> Option<PathBuf> {
        let path = self.folder.join(file.socket?);
        let bytes = path.as_os_str().as_bytes().len();
        if bytes > LONGEST {
            self.problem(
                "upgrade.socket",
                &format!(
                    "{} has {bytes} bytes, and the path of a socket at most {LONGEST}: name one in a shorter folder, such as /run/witgate",
                    path.display()
                ),
            );
        }
        if !path
            .parent()
            .is_some_and(|folder| folder.as_os_str().is_empty() || folder.is_dir())
        {
            self.problem(
                "upgrade.socket",
                &format!("{} is in no directory that is there", path.display()),
            );
        }
        Some(path)
    }
}
