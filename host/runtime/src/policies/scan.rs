//! What a directory looks like from outside: names, lengths, times, inodes.
//!
//! Links are followed, so that a swap of the directory that a link names, as Kubernetes does it, is seen.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A file that was written this recently may be written again within the same tick of the file system's clock.
const RACY: Duration = Duration::from_secs(2);

/// Files that matter.
const ENDINGS: [&str; 3] = [".wasm", ".toml", ".wasm.minisig"];

/// The files of a directory that matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    files: BTreeMap<String, Stamp>,
    /// Whether a file was so fresh that an equal listing doesn't prove equal content.
    racy: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
    inode: u64,
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
            // Through the link, if it is one. A file that is gone by now is as good as never seen.
            let Ok(metadata) = fs::metadata(entry.path()) else {
                continue;
            };
            if !metadata.is_file() {
                continue;
            }
            let modified = metadata.modified().ok();
            racy |= modified
                .and_then(|at| now.duration_since(at).ok())
                .is_none_or(|age| age < RACY);
            files.insert(
                name,
                Stamp {
                    len: metadata.len(),
                    modified,
                    inode: inode(&metadata),
                },
            );
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

#[cfg(unix)]
fn inode(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_metadata: &fs::Metadata) -> u64 {
    0
}
