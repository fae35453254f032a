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
    /// The stamp of the directory before it was listed, or `None` if it was so fresh that an equal one does not prove that the
    /// directory has the same names.
    directory: Option<Stamp>,
    files: BTreeMap<String, Stamp>,
    /// `true` if a file was so fresh that an equal listing does not prove equal content.
    racy: bool,
}

// === impl Listing ===

impl Listing {
    pub(super) fn of(dir: &Path) -> io::Result<Self> {
        let now = SystemTime::now();
        let directory = Some(Stamp::of(&fs::metadata(dir)?)).filter(|stamp| !stamp.is_racy(now));
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
        Ok(Self {
            directory,
            files,
            racy,
        })
    }

    /// Returns the names of the plugins.
    pub(super) fn plugins(&self) -> impl Iterator<Item = &str> {
        self.files
            .keys()
            .filter_map(|file| file.strip_suffix(".wasm"))
            .filter(|name| !name.is_empty())
    }

    /// Returns the names of the files.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Returns whether equal stamps at another time prove that nothing changed.
    pub(super) fn is_conclusive(&self) -> bool {
        self.directory.is_some() && !self.racy
    }

    /// Returns whether the stamps prove that the directory has the same files with the same content. This does not open the
    /// directory, which would be an event for its watchers, and this process is one.
    pub(super) fn is_proven(&self, dir: &Path) -> bool {
        let is_same = |path: &Path, before: &Stamp| {
            fs::metadata(path).is_ok_and(|metadata| Stamp::of(&metadata) == *before)
        };
        let mut files = self.files.iter();
        !self.racy
            && self
                .directory
                .as_ref()
                .is_some_and(|stamp| is_same(dir, stamp))
            && files.all(|(name, stamp)| is_same(&dir.join(name), stamp))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the listing as if all its files and the directory had been written long ago.
    fn old(dir: &Path) -> Listing {
        Listing {
            directory: fs::metadata(dir).ok().as_ref().map(Stamp::of),
            racy: false,
            ..Listing::of(dir).unwrap()
        }
    }

    #[test]
    fn stamps_prove_that_nothing_changed_until_something_does() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let file = |name: &str| dir.join(name);
        fs::write(file("a.wasm"), "one").unwrap();
        fs::write(file("a.toml"), "one").unwrap();
        assert!(old(dir).is_proven(dir), "nothing has changed");
        assert!(
            !Listing::of(dir).unwrap().is_proven(dir),
            "stamps of this moment prove nothing"
        );
        let changes: [(&str, &dyn Fn()); 4] = [
            ("a file was written", &|| {
                fs::write(file("a.toml"), "longer").unwrap();
            }),
            ("a file came", &|| fs::write(file("b.wasm"), "").unwrap()),
            ("a file got another name", &|| {
                fs::rename(file("b.wasm"), file("c.wasm")).unwrap();
            }),
            ("a file went", &|| fs::remove_file(file("c.wasm")).unwrap()),
        ];
        for (told, change) in changes {
            let before = old(dir);
            change();
            // On a file system with a coarse clock, the stamp of the directory may still be the same.
            let directory = before.directory.clone();
            let before = Listing {
                directory: directory.filter(|stamp| !stamp.is_racy(SystemTime::now())),
                ..before
            };
            assert!(!before.is_proven(dir), "{told}");
        }
    }
}
