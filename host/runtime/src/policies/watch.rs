//! The thread that notices changes, by file system events and by polling.
//!
//! Events alone are not enough: network file systems send none, and a watched directory may be replaced. Polling alone would
//! be slow.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::Library;
use crate::file::Look;

/// The number of debounce times after which a directory that keeps changing is read all the same.
const MAX_DEBOUNCES: u32 = 10;

/// The number of polls of which one lists the directory, whatever its stamps say.
const POLLS_PER_LISTING: u32 = 5;

/// The watching thread. Dropping this ends it.
pub(super) struct Watch {
    hints: Sender<Hint>,
    thread: Option<JoinHandle<()>>,
}

enum Hint {
    Changed,
    Stop,
}

/// The outcome of waiting for hints.
enum Wait {
    Changed,
    Quiet,
    Stop,
}

// === impl Watch ===

impl Watch {
    pub(super) fn try_start(library: Arc<Library>) -> io::Result<Self> {
        let (hints, heard) = mpsc::channel();
        let watcher = watcher(&library.dir, hints.clone());
        let thread = thread::Builder::new()
            .name("witgate-policies".to_owned())
            .spawn(move || {
                // The watcher sends hints for as long as it lives.
                let _watcher = watcher;
                run(&library, &heard);
            })?;
        Ok(Self {
            hints,
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Both fail only if the thread has already ended.
        let _ = self.hints.send(Hint::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Watches the directory, or returns `None` if the system refuses, which leaves polling.
fn watcher(dir: &Path, hints: Sender<Hint>) -> Option<RecommendedWatcher> {
    let started = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let matters = match event {
            // Reading a file is an event, too, and our own reading must not wake us.
            Ok(event) => match event.kind {
                EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
                EventKind::Access(_) => false,
                _ => true,
            },
            Err(_) => true,
        };
        if matters {
            // The thread may be gone already.
            let _ = hints.send(Hint::Changed);
        }
    })
    .and_then(|mut watcher| {
        watcher.watch(dir, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    match started {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(
                "no file system events for {}, polling instead: {error}",
                dir.display()
            );
            None
        }
    }
}

fn run(library: &Library, heard: &Receiver<Hint>) {
    // A directory that is gone may stay gone for long; one line is enough.
    let mut failing = false;
    let mut looks = (0..POLLS_PER_LISTING).cycle();
    loop {
        let changed = match wait(heard, library.options.poll) {
            Wait::Stop => return,
            Wait::Quiet => library.looks_changed(match looks.next() {
                Some(0) => Look::Bytes,
                _ => Look::Stamp,
            }),
            Wait::Changed => true,
        };
        if !changed {
            continue;
        }
        if let Wait::Stop = debounce(heard, library.options.debounce) {
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
}

/// Waits until nothing has changed for the debounce time.
fn debounce(heard: &Receiver<Hint>, debounce: Duration) -> Wait {
    let end = Instant::now() + debounce * MAX_DEBOUNCES;
    loop {
        match wait(heard, debounce) {
            Wait::Changed if Instant::now() < end => {}
            ended => return ended,
        }
    }
}

fn wait(heard: &Receiver<Hint>, timeout: Duration) -> Wait {
    match heard.recv_timeout(timeout) {
        Ok(Hint::Changed) => Wait::Changed,
        Ok(Hint::Stop) | Err(RecvTimeoutError::Disconnected) => Wait::Stop,
        Err(RecvTimeoutError::Timeout) => Wait::Quiet,
    }
}
