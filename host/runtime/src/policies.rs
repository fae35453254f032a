//! A directory of plugins, kept loaded: drop a `NAME.wasm` in, and it serves.
//!
//! Promises: a request sees one whole lineup, never half of a change; a bad file keeps the last good plugin of that
//! name; an unchanged plugin is the same object after any reload; nothing here compiles on a thread that serves
//! requests. The price of a change is one pointer.

mod change;
mod scan;
mod shelf;
mod status;
mod watch;

pub use status::{PluginState, PluginStatus};

use parking_lot::{Condvar, Mutex};

use crate::engine::Runtime;
use crate::lineup::Lineup;
use arc_swap::ArcSwap;
use change::Change;
use scan::Listing;
use shelf::{Entry, Shelf};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use watch::Watch;

/// How a directory is kept loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoliciesOptions {
    /// Names of plugins without which no request may pass.
    pub required: Vec<String>,
    /// How often names, lengths and times of the files are looked at. Default one second.
    pub poll: Duration,
    /// How long the directory has to be quiet after a change before it is read. Default 50 ms.
    pub debounce: Duration,
}

/// The plugins of a directory. Dropping it ends its thread; lineups that are held stay alive.
pub struct Policies {
    library: Arc<Library>,
    watch: Mutex<Option<Watch>>,
}

/// How far reloading has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Number of the lineup that serves; it grows with each change.
    pub generation: u64,
    /// Times that the directory was read.
    pub scans: u64,
}

/// Why a directory can't be kept.
#[derive(Debug, thiserror::Error)]
pub enum PoliciesError {
    /// The directory can't be listed: the operator's to mend.
    #[error("the policies directory {} can't be listed: {_1}; create it, or check its permissions", _0.display())]
    Directory(PathBuf, #[source] io::Error),
    /// The operating system refused the thread.
    #[error(
        "the thread that watches the policies can't start: {0}; raise the process's thread limit"
    )]
    Thread(#[source] io::Error),
}

/// What the watching thread and the embedder share.
struct Library {
    runtime: Runtime,
    dir: PathBuf,
    options: PoliciesOptions,
    current: ArcSwap<Lineup>,
    /// What is known of each file. Held for the length of a reload, so reloads are one at a time.
    shelf: Mutex<Shelf>,
    /// The shelf as it was after the last reload, for those who only look.
    board: ArcSwap<Vec<Entry>>,
    progress: Mutex<Progress>,
    changed: Condvar,
}

// === impl PoliciesOptions ===

impl Default for PoliciesOptions {
    fn default() -> Self {
        Self {
            required: Vec::new(),
            poll: Duration::from_secs(1),
            debounce: Duration::from_millis(50),
        }
    }
}

// === impl Policies ===

impl Policies {
    /// The engine that its plugins run in.
    pub fn runtime(&self) -> &Runtime {
        &self.library.runtime
    }

    /// Loads every plugin of a directory. A plugin that isn't admitted does not keep the others from serving; it is
    /// in the log and in [`status`](Self::status).
    ///
    /// # Errors
    ///
    /// When the directory can't be listed.
    pub fn open(
        runtime: Runtime,
        dir: impl Into<PathBuf>,
        options: PoliciesOptions,
    ) -> Result<Self, PoliciesError> {
        let library = Library {
            runtime,
            dir: dir.into(),
            current: ArcSwap::from_pointee(Lineup::new(0, Vec::new(), &options.required)),
            options,
            shelf: Mutex::default(),
            board: ArcSwap::default(),
            progress: Mutex::default(),
            changed: Condvar::new(),
        };
        library.reload()?;
        Ok(Self {
            library: Arc::new(library),
            watch: Mutex::new(None),
        })
    }

    /// The lineup that serves now. A request takes it once and keeps it.
    pub fn current(&self) -> Arc<Lineup> {
        self.library.current.load_full()
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.library.dir
    }

    /// Starts the thread that reloads on change. It ends when `self` is dropped; a second call does nothing.
    ///
    /// # Errors
    ///
    /// When the thread can't start.
    pub fn watch(&self) -> Result<(), PoliciesError> {
        let mut watch = self.watch.lock();
        if watch.is_none() {
            let library = Arc::clone(&self.library);
            *watch = Some(Watch::try_start(library).map_err(PoliciesError::Thread)?);
        }
        Ok(())
    }

    /// Reads the directory now and gives the lineup that serves after that. It compiles on the calling thread.
    ///
    /// # Errors
    ///
    /// When the directory can't be listed; the lineup that serves stays.
    pub fn reload_now(&self) -> Result<Arc<Lineup>, PoliciesError> {
        self.library.reload()?;
        Ok(self.current())
    }

    /// Number of the lineup that serves.
    pub fn generation(&self) -> u64 {
        self.progress().generation
    }

    /// How far reloading has come.
    pub fn progress(&self) -> Progress {
        *self.library.progress.lock()
    }

    /// Waits until `done` says yes to the progress; looks again after each reading of the directory. Gives the
    /// progress that was met, or none after `timeout`.
    pub fn wait(
        &self,
        timeout: Duration,
        mut done: impl FnMut(&Progress) -> bool,
    ) -> Option<Progress> {
        let deadline = Instant::now() + timeout;
        let mut progress = self.library.progress.lock();
        while !done(&progress) {
            let left = deadline.checked_duration_since(Instant::now())?;
            let _ = self.library.changed.wait_for(&mut progress, left);
        }
        Some(*progress)
    }

    /// How each plugin is doing, by name; files that were refused and required plugins that are absent included.
    pub fn status(&self) -> Vec<PluginStatus> {
        let board = self.library.board.load();
        status::of(&board, self.current().missing())
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies")
            .field("dir", &self.library.dir)
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}

// === impl Library ===

impl Library {
    /// Reads the directory, and changes the lineup if it has to.
    fn reload(&self) -> Result<(), PoliciesError> {
        let mut shelf = self.shelf.lock();
        // The listing is taken before the files are read: what changes meanwhile differs from it at the next look.
        let listing = Listing::of(&self.dir)
            .map_err(|error| PoliciesError::Directory(self.dir.clone(), error))?;
        let changed = shelf.update(&self.runtime, &self.dir, listing);
        self.board.store(Arc::new(shelf.entries()));

        let mut progress = self.progress.lock();
        if changed || progress.scans == 0 {
            progress.generation += 1;
            let lineup = Lineup::new(progress.generation, shelf.plugins(), &self.options.required);
            let change = Change::between(self.current.load().plugins(), lineup.plugins());
            tracing::info!(
                generation = progress.generation,
                plugins = lineup.plugins().len(),
                "new lineup: {change}"
            );
            self.current.store(Arc::new(lineup));
        }
        progress.scans += 1;
        drop(progress);
        self.changed.notify_all();
        Ok(())
    }

    /// Whether the directory looks other than when it was last read, or is too fresh to tell.
    fn looks_changed(&self) -> bool {
        let listing = Listing::of(&self.dir);
        self.shelf.lock().differs(listing.as_ref().ok())
    }
}
