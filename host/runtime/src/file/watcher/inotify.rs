//! Events of Linux: inotify.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use rustix::fs::statfs;
use rustix::io::read;

/// The events of one thread. Each object on the way to a file has a watch of its own; none is watched for what is in it but a
/// folder.
#[derive(Debug)]
pub(super) struct Events(OwnedFd);

/// An object that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A directory on the way.
    Directory,
    /// A link on the way.
    Link,
    /// A file at the end of the way.
    File,
    /// A directory at the end of the way, whose names and files count.
    Folder,
}

/// The extent to which a file system tells of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// Each change is made by this kernel, which tells of it.
    All,
    /// Names are told of reliably. What is written to a file may not be.
    Names,
    /// Others may make changes, too: other machines, or the process that serves the files.
    Some,
}

/// File systems that are changed by this kernel alone, by the numbers of `statfs`: ext2 to ext4, XFS, Btrfs, tmpfs, ramfs,
/// F2FS, ZFS, Bcachefs, and SquashFS and EROFS, which never change.
const LOCAL: [u64; 10] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0x8584_58f6,
    0xf2f5_2010,
    0x2fc1_2fc1,
    0xca45_1a4e,
    0x7371_7368,
    0xe0f5_e1e2,
];

/// The layers of container images.
const OVERLAY: u64 = 0x794c_7630;

// === impl Events ===

impl Events {
    /// Opens a queue of events.
    ///
    /// # Errors
    ///
    /// The user has too many of them, or the process too many open files.
    pub(super) fn try_new() -> io::Result<Self> {
        Ok(Self(init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?))
    }

    /// Watches what is at a path, which may not lead through links.
    ///
    /// # Errors
    ///
    /// There is nothing, it may not be read, or the user watches too much.
    pub(super) fn add(&self, path: &Path, place: Place) -> io::Result<()> {
        let itself = WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF;
        // A link or a file whose name is given to another has fewer names then, which is a change of its attributes.
        let content = WatchFlags::ATTRIB | WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE;
        let names = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE;
        let events = match place {
            Place::Directory => itself,
            Place::Link | Place::File => itself | content,
            Place::Folder => itself | content | names,
        };
        // An object may be on several ways, as different places.
        let how = WatchFlags::DONT_FOLLOW | WatchFlags::MASK_ADD;
        add_watch(&self.0, path, events | how)?;
        Ok(())
    }

    /// Forgets the events that are there.
    pub(super) fn drain(&self) {
        let mut events = [0; 4096];
        while read(&self.0, &mut events).is_ok_and(|bytes| bytes > 0) {}
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

// === impl Telling ===

impl Telling {
    /// Returns the extent to which the file system of a path tells of changes.
    ///
    /// # Errors
    ///
    /// The path leads nowhere.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let kind = u64::try_from(statfs(path)?.f_type).unwrap_or_default();
        Ok(match kind {
            OVERLAY => Self::Names,
            kind if LOCAL.contains(&kind) => Self::All,
            _ => Self::Some,
        })
    }
}
