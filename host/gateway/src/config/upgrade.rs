//! `[upgrade]`: the socket on which a new process asks to take over.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use witgate_config_file::Check;

/// Maximum bytes of the path of a Unix socket: `sun_path` has 108, including the final zero (`unix(7)`).
const MAX_SOCKET_PATH_BYTES: usize = 107;

#[derive(Debug, Default, Deserialize)]
pub(super) struct UpgradeFile {
    socket: Option<PathBuf>,
}

// === impl UpgradeFile ===

impl UpgradeFile {
    pub(super) fn check(self, check: &mut Check<'_>) -> Option<PathBuf> {
        let path = check.resolve(self.socket?);
        let bytes = path.as_os_str().as_bytes().len();
        if bytes > MAX_SOCKET_PATH_BYTES {
            let message = format!(
                "{} has {bytes} bytes, but the path of a socket may have at most {MAX_SOCKET_PATH_BYTES}; use a shorter \
                 path, such as /run/witgate/upgrade.sock",
                path.display()
            );
            check.problem("socket", message);
        }
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        if !folder.is_none_or(Path::is_dir) || path.file_name().is_none() {
            let message = format!(
                "{} is not in an existing directory; create the directory or correct the path",
                path.display()
            );
            check.problem("socket", message);
        }
        Some(path)
    }
}
