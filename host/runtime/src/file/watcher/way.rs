//! The way to a path: each directory, link and file that it leads through.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::inotify::{Events, Place, Telling};

/// The links after which a way is taken for a circle, as the system does.
const MAX_LINKS: usize = 40;

/// The ways that are watched.
pub(super) struct Ways<'a> {
    events: &'a Events,
    /// The directories that are watched already, which most ways share.
    directories: HashSet<PathBuf>,
}

/// What is heard of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hearing {
    /// Each change.
    Complete,
    /// Some changes.
    Partial,
}

// === impl Ways ===

impl<'a> Ways<'a> {
    pub(super) fn new(events: &'a Events) -> Self {
        Self {
            events,
            directories: HashSet::new(),
        }
    }

    /// Watches all that a path leads through, from its beginning to its end.
    ///
    /// # Errors
    ///
    /// The path leads nowhere, or something on its way can't be watched. What is before that is watched.
    pub(super) fn watch(&mut self, path: &Path) -> io::Result<Hearing> {
        let mut ahead = Vec::new();
        let mut at = lead(path, &mut ahead, PathBuf::new());
        let (mut links, mut hearing) = (0, Hearing::Complete);
        while let Some(name) = ahead.pop() {
            at.push(name);
            let metadata = fs::symlink_metadata(&at)?;
            let is_end = ahead.is_empty();
            if metadata.is_symlink() {
                links += 1;
                if links > MAX_LINKS {
                    return Err(io::Error::other("too many links"));
                }
                // Watched before it is read, so that a change in between is heard of.
                self.events.add(&at, Place::Link)?;
                let target = fs::read_link(&at)?;
                at.pop();
                at = lead(&target, &mut ahead, at);
                continue;
            }
            let place = match (metadata.is_dir(), is_end) {
                (true, false) => Place::Directory,
                (true, true) => Place::Folder,
                (false, _) => Place::File,
            };
            if place == Place::Directory && !self.directories.insert(at.clone()) {
                continue;
            }
            self.events.add(&at, place)?;
            let is_told = match Telling::of(&at)? {
                Telling::All => true,
                Telling::Names => place == Place::Directory,
                Telling::Some => false,
            };
            if !is_told {
                hearing = Hearing::Partial;
            }
        }
        Ok(hearing)
    }
}

/// Puts the names of a path, or of a link's target, before those that are ahead, and returns where they begin: at `from`, or at
/// the root.
fn lead(path: &Path, ahead: &mut Vec<OsString>, from: PathBuf) -> PathBuf {
    let mut at = from;
    let begin = ahead.len();
    for component in path.components() {
        match component {
            Component::Prefix(_) | Component::CurDir => {}
            Component::RootDir => at = PathBuf::from("/"),
            // After a directory that is no link any more, the system's `..` is the right one.
            Component::ParentDir => ahead.push("..".into()),
            Component::Normal(name) => ahead.push(name.to_owned()),
        }
    }
    if let Some(names) = ahead.get_mut(begin..) {
        names.reverse();
    }
    if ahead.is_empty() {
        // A path without names is the directory where it begins.
        ahead.push(".".into());
    }
    at
}
