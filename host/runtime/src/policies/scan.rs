//! The listing of a directory: names, sizes, times and inodes.
//!
//! Symlinks are followed, so that replacing the directory behind one, as Kubernetes does, shows. A plugin is deleted only if
//! its name is gone: a dangling symlink, or a file that can't be inspected, keeps the last good version.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use crate::file::Stamp;

/// The endings of the names of plugin files.
const ENDINGS: [&str; 3] = [".wasm", ".toml", ".wasm.minisig"];

/// The plugin files of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listing {
    files: BTreeMap<String, Stamp>,
    /// `true` if a file was so fresh that an equal listing does not prove equal content.
    racy: bool,
}

// === impl Listing ===

impl Listing {
    pub(super) fn of(dir: &Path) -> io::Result<Self> {
        let now = SystemTime::now();
        let mut files = BTreeMap::new();
        let mut racy = false;
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if name.starts_with('.') || !ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                continue;
            }
            let stamp = match fs::metadata(entry.path()) {
                Ok(metadata) => Stamp::of(&metadata),
                Err(_) if is_gone(&entry.path()) => continue,
                // The file exists, so it does not count as deleted; reading it will report the error.
                Err(_) => Stamp::default(),
            };
            racy |= stamp.is_racy(now);
            files.insert(name, stamp);
        }
        Ok(Self { files, racy })
    }

    /// Returns the names of the plugins.
    pub(super) fn plugins(&self) -> impl Iterator<Item = &str> {
        self.files
            .keys()
            .filter_map(|file| file.strip_suffix(".wasm"))
            .filter(|name| !name.is_empty())
    }

    /// Returns whether files differ from `self`, or may differ.
    pub(super) fn differs(&self, now: &Self) -> bool {
        self.racy || self.files != now.files
    }
}

/// Returns whether no file has this name. A dangling symlink is a file.
pub(super) fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}
