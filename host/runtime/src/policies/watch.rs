//! The thread that notices changes: the system tells of them, and looks find those that it does not tell of.
//!
//! Looks are rare where the system tells of everything, and each [`poll`](super::PoliciesOptions::poll) where it does not: on
//! network file systems, and while something is waited for that sends no event.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Library;
use crate::file::{Heard, Look, Waker, Watcher};

/// The number of debounce times after which a directory that keeps changing is read all the same.
const MAX_DEBOUNCES: u32 = 10;

/// The number of looks of which one lists the directory, whatever its stamps say.
const LOOKS_PER_LISTING: u32 = 5;

/// The time between two looks where the system tells of all changes.
const RARE_LOOK: Duration = Duration::from_secs(30);

/// The watching thread. Dropping this ends it.
pub(super) struct Watch {
    /// Ends the watcher of the thread when it is dropped.
    waker: Option<Waker>,
    thread: Option<JoinHandle<()>>,
}

// === impl Watch ===

impl Watch {
    pub(super) fn try_start(library: Arc<Library>) -> io::Result<Self> {
        let (watcher, waker) = Watcher::try_new()?;
        let thread = thread::Builder::new()
            .name("witgate-policies".to_owned())
            .spawn(move || run(&library, watcher))?;
        Ok(Self {
            waker: Some(waker),
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.waker.take());
        if let Some(thread) = self.thread.take() {
            // It fails only if the thread panicked, which was reported.
            let _ = thread.join();
        }
    }
}

fn run(library: &Library, mut watcher: Watcher) {
    let options = &library.options;
    // A directory that is gone may stay gone for long; one line is enough.
    let mut failing = false;
    let mut looks = (0..LOOKS_PER_LISTING).cycle();
    listen(library, &mut watcher);
    let mut pause = options.poll;
    loop {
        let heard = watcher.wait(pause);
        let changed = match heard {
            Heard::End => return,
            Heard::Change => true,
            Heard::Call | Heard::Mount => library.looks_changed(Look::Bytes),
            Heard::Quiet => library.looks_changed(match looks.next() {
                Some(0) => Look::Bytes,
                _ => Look::Stamp,
            }),
        };
        if changed {
            let longest = options.debounce * MAX_DEBOUNCES;
            if watcher.wait_for_quiet(options.debounce, longest) == Heard::End {
                return;
            }
            let result = library.reload();
            if let Err(error) = &result
                && !failing
            {
                tracing::error!("{error}; the current plugins keep serving");
            }
            failing = result.is_err();
        }
        // What changes before the next line is found by the next look.
        let listens = changed || heard != Heard::Quiet;
        if listens {
            listen(library, &mut watcher);
        }
        let is_rare = !listens && watcher.hears_all() && library.is_settled();
        pause = if is_rare {
            options.poll.max(RARE_LOOK)
        } else {
            options.poll
        };
    }
}

/// Watches what the plugins are read from now.
fn listen(library: &Library, watcher: &mut Watcher) {
    let paths = library.paths();
    watcher.watch(paths.iter().map(PathBuf::as_path));
}
