//! Waiting for changes of files, as far as the operating system tells of them.
//!
//! A path leads to other content once the file, or a link or a directory on the way to it, is written, replaced, moved or
//! mounted over. A [`Watcher`] watches each of these, and nothing beside them, so that a busy neighbour of a file wakes nobody.
//!
//! The system does not tell of everything: not of a file that isn't there yet, nor of what another machine writes to a network
//! file system. [`Watcher::hears_all`] says whether looks are needed, too.

#[cfg(target_os = "linux")]
mod inotify;
#[cfg(not(target_os = "linux"))]
#[path = "watcher/silent.rs"]
mod inotify;
mod way;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use self::inotify::Events;
use self::way::{Hearing, Ways};

/// The changes of mounts that this process sees.
const MOUNTS: &str = "/proc/self/mountinfo";

/// The time until another attempt to wait, if the system refuses to.
const REFUSED: Duration = Duration::from_secs(1);

/// A watcher of paths, for one thread.
#[derive(Debug)]
pub struct Watcher {
    /// The events of what is watched, or `None` if the system refuses them.
    events: Option<Events>,
    mounts: Option<File>,
    calls: UnixStream,
    hears_all: bool,
    /// `true` once a refusal was logged.
    refused: bool,
}

/// A handle that wakes the thread of a [`Watcher`]. Dropping it ends the watching.
#[derive(Debug)]
pub struct Waker(UnixStream);

/// The reason why a [`Watcher`] stopped waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The waker was dropped.
    End,
    /// The waker was used.
    Call,
    /// Something on the way to a path has changed. What is watched may not be what the paths lead to any more.
    Change,
    /// Something was mounted or unmounted, and paths may lead elsewhere.
    Mount,
    /// Nothing happened in the given time.
    Quiet,
}

// === impl Watcher ===

impl Watcher {
    /// Creates a watcher of nothing.
    ///
    /// # Errors
    ///
    /// The process has too many open files.
    pub fn try_new() -> io::Result<(Self, Waker)> {
        let (calls, caller) = UnixStream::pair()?;
        calls.set_nonblocking(true)?;
        caller.set_nonblocking(true)?;
        let watcher = Self {
            events: None,
            mounts: File::open(MOUNTS).ok(),
            calls,
            hears_all: false,
            refused: false,
        };
        Ok((watcher, Waker(caller)))
    }

    /// Watches these paths from now on, and nothing else. Of a directory, it watches the names and the files in it.
    ///
    /// A change of the time before is not heard of, so look at the files after this.
    pub fn watch<'a>(&mut self, paths: impl IntoIterator<Item = &'a Path>) {
        // What was watched before may be something else by now; new events have none of it. The old ones make room only if they
        // must: to close them takes the system some milliseconds.
        let new = Events::try_new().or_else(|_| {
            self.events = None;
            Events::try_new()
        });
        let watched = new.map(|events| {
            let (hears_all, refused) = watch_all(&events, paths);
            self.events = Some(events);
            self.hears_all = hears_all && self.mounts.is_some();
            refused
        });
        let refused = watched.unwrap_or_else(|error| {
            self.hears_all = false;
            Some(error)
        });
        if let Some(error) = &refused
            && !self.refused
        {
            tracing::warn!(
                "the system does not tell of all changes of files, so they are looked for again and again: {error}"
            );
        }
        self.refused = refused.is_some();
    }

    /// Returns whether each change of the paths will be heard of. Otherwise, look at the files again and again.
    pub fn hears_all(&self) -> bool {
        self.hears_all
    }

    /// Waits until something happens, or for `time`.
    pub fn wait(&mut self, time: Duration) -> Heard {
        let end = Instant::now().checked_add(time);
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            match self.poll(left) {
                Ok(heard) => return heard,
                Err(Errno::INTR) => {}
                Err(error) => {
                    tracing::error!("waiting for changes of files failed: {error}");
                    thread::sleep(left.map_or(REFUSED, |left| left.min(REFUSED)));
                    return Heard::Quiet;
                }
            }
        }
    }

    /// Waits until nothing has changed for `quiet`, or for `longest`. Returns [`Heard::End`] if the waker was dropped meanwhile,
    /// and [`Heard::Quiet`] otherwise.
    pub fn wait_for_quiet(&mut self, quiet: Duration, longest: Duration) -> Heard {
        let end = Instant::now() + longest;
        loop {
            match self.wait(quiet) {
                Heard::End => return Heard::End,
                Heard::Change if Instant::now() < end => {}
                Heard::Change | Heard::Call | Heard::Mount | Heard::Quiet => return Heard::Quiet,
            }
        }
    }

    /// Waits once.
    fn poll(&self, time: Option<Duration>) -> Result<Heard, Errno> {
        let time = time.and_then(|time| Timespec::try_from(time).ok());
        let calls = PollFd::new(&self.calls, PollFlags::IN);
        // What the system doesn't have is the calls once more.
        let events = match &self.events {
            Some(events) => PollFd::new(events, PollFlags::IN),
            None => calls.clone(),
        };
        let mounts = match &self.mounts {
            Some(mounts) => PollFd::new(mounts, PollFlags::PRI),
            None => calls.clone(),
        };
        let mut all = [calls, events, mounts];
        poll(&mut all, time.as_ref())?;
        let [calls, events, mounts] = all.map(|one| !one.revents().is_empty());
        Ok(if calls {
            self.called()
        } else if events {
            self.events.as_ref().inspect(|events| events.drain());
            Heard::Change
        } else if mounts {
            Heard::Mount
        } else {
            Heard::Quiet
        })
    }

    /// Returns the call that is there.
    fn called(&self) -> Heard {
        let mut calls = [0; 64];
        match (&self.calls).read(&mut calls) {
            Ok(0) => Heard::End,
            Ok(_) | Err(_) => Heard::Call,
        }
    }
}

/// Watches paths. Returns whether each change of them will be told, and the error if the system watches no more.
fn watch_all<'a>(
    events: &Events,
    paths: impl IntoIterator<Item = &'a Path>,
) -> (bool, Option<io::Error>) {
    let mut ways = Ways::new(events);
    let (mut hears_all, mut refused) = (true, None);
    for path in paths {
        match ways.watch(path) {
            Ok(hearing) => hears_all &= hearing == Hearing::Complete,
            Err(error) => {
                hears_all = false;
                // The system's word for too many watches.
                refused = Some(error)
                    .filter(|error| error.kind() == io::ErrorKind::StorageFull)
                    .or(refused);
            }
        }
    }
    (hears_all, refused)
}

// === impl Waker ===

impl Waker {
    /// Wakes the thread, now or when it waits next.
    pub fn wake(&self) {
        // If it can't take more, enough calls wait already.
        let _ = (&self.0).write(&[0]);
    }
}

#[cfg(test)]
mod tests;
