//! What a directory looks like from outside: names, lengths, times, inodes.
//!
//! Links are followed, so that a swap of the directory that a link names, as Kubernetes does it, is seen. Only what has
//! no name any more is deleted: a link that leads nowhere, or a file that can't be looked at, keeps the last good plugin.

use crate::file::Stamp;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// Files that matter.
const ENDINGS: [&str; 3] = [".wasm", ".toml", ".wasm.minisig"];

/// The files of a directory that matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    files: BTreeMap<String, Stamp>,
    /// Whether a file was so fresh that an equal listing doesn't prove equal content.
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
                // It is there and can't be looked at, so it is not taken for deleted: reading it will say why.
                Err(_) => Stamp::default(),
            };
            racy |= stamp.is_racy(now);
            files.insert(name, stamp);
        }
        Ok(Self { files, racy })
    }

    /// Names of the plugins.
    pub(super) fn plugins(&self) -> impl Iterator<Item = &str> {
        self.files
            .keys()
            .filter_map(|file| file.strip_suffix(".wasm"))
            .filter(|name| !name.is_empty())
    }

    /// Whether files look other than in `self`, or might.
    pub(super) fn differs(&self, now: &Self) -> bool {
        self.racy || self.files != now.files
    }
}

/// Whether nothing has this name. A link that leads nowhere is something.
pub(super) fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}
