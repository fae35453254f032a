//! The thread that notices changes: events of the directory as hints, and a look at it every now and then.
//!
//! Events alone are not enough: network file systems send none, and a watched directory may be replaced. The look
//! alone would be slow.

use super::Library;
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A directory that is never quiet is read all the same, after this many debounce times.
const PATIENCE: u32 = 10;

/// The thread. Dropping it ends it.
pub(super) struct Watch {
    hints: Sender<Hint>,
    thread: Option<JoinHandle<()>>,
}

enum Hint {
    Changed,
    Stop,
}

/// What a wait for hints came to.
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
                // It sends hints for as long as it lives.
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
        // Neither can fail in a way that leaves something to do: the thread has ended by itself then.
        let _ = self.hints.send(Hint::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A watcher on the directory; none where the system has none to give, which leaves the look.
fn watcher(dir: &Path, hints: Sender<Hint>) -> Option<RecommendedWatcher> {
    let started = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let matters = match event {
            // Reading a file is an event too, and our own reading must not wake us.
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
            tracing::warn!("no events from {}, polling only: {error}", dir.display());
            None
        }
    }
}

fn run(library: &Library, heard: &Receiver<Hint>) {
    // A directory that is gone stays gone for many looks; one line is enough.
    let mut failing = false;
    loop {
        let changed = match wait(heard, library.options.poll) {
            Wait::Stop => return,
            Wait::Quiet => library.looks_changed(),
            Wait::Changed => true,
        };
        if !changed {
            continue;
        }
        if let Wait::Stop = settle(heard, library.options.debounce) {
            return;
        }
        let result = library.reload();
        if let Err(error) = &result
            && !failing
        {
            tracing::error!("{error}; the lineup stays as it is");
        }
        failing = result.is_err();
    }
}

/// Waits until nothing has changed for the debounce time.
fn settle(heard: &Receiver<Hint>, debounce: Duration) -> Wait {
    let end = Instant::now() + debounce * PATIENCE;
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
