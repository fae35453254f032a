//! A directory of plugins that is kept loaded: drop a `NAME.wasm` into it, and it serves.
//!
//! A request sees one whole lineup, never half of a change. A bad file keeps the last good version of its plugin. An
//! unchanged plugin stays the same object across reloads. Nothing compiles on a thread that serves requests, and a change
//! costs these one pointer.

mod catalog;
mod change;
mod scan;
mod status;
mod watch;

pub use status::{PluginState, PluginStatus};

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::{Condvar, Mutex};

use crate::engine::Runtime;
use crate::file::Look;
use crate::lineup::Lineup;
use catalog::{Catalog, EntryState};
use change::Change;
use scan::Listing;
use watch::Watch;

/// The options of a [`Policies`].
///
/// Start from `PoliciesOptions::default()` and change fields with the `with_…` methods.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoliciesOptions {
    /// The names of plugins without which no request may pass. Default none.
    pub required: Vec<String>,
    /// The interval at which the names, sizes and times of the files are checked where the system does not tell of all their
    /// changes. Where it does, they are checked every 30 seconds, or at this interval if it is longer. Default one second.
    pub poll: Duration,
    /// The time without changes after which a changed directory is read. Default 50 ms.
    pub debounce: Duration,
}

/// A directory of plugins that is kept loaded.
///
/// Dropping it ends its thread; lineups in use stay alive.
pub struct Policies {
    library: Arc<Library>,
    watch: Mutex<Option<Watch>>,
}

/// The progress of reloading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The number of the current lineup, which grows with each change.
    pub generation: u64,
    /// The number of times that the directory was read.
    pub scans: u64,
}

/// An error of [`Policies`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoliciesError {
    /// The directory can't be listed. The operator has to fix it.
    #[error("the policies directory {} can't be listed: {_1}; create it, or check its permissions", _0.display())]
    Directory(PathBuf, #[source] io::Error),
    /// The operating system refused to start the thread.
    #[error(
        "the thread that watches the policies can't start: {0}; raise the process's thread limit"
    )]
    Thread(#[source] io::Error),
}

/// The state that the watching thread and the embedder share.
struct Library {
    runtime: Runtime,
    dir: PathBuf,
    options: PoliciesOptions,
    /// Locked for the length of a reload, so that reloads run one at a time.
    catalog: Mutex<Catalog>,
    /// The result of the last reload, for readers that must not wait for one.
    loaded: ArcSwap<Loaded>,
    progress: Mutex<Progress>,
    changed: Condvar,
}

/// The result of a reload: the lineup that requests get, and the catalog that the status is made from. They change together.
struct Loaded {
    lineup: Arc<Lineup>,
    states: Vec<EntryState>,
}

setters!(PoliciesOptions {
    with_required(required: Vec<String>);
    with_poll(poll: Duration);
    with_debounce(debounce: Duration);
});

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
    /// Returns the runtime of the plugins.
    pub fn runtime(&self) -> &Runtime {
        &self.library.runtime
    }

    /// Loads every plugin of a directory. A plugin that is refused does not keep the others from serving; the log and
    /// [`status`](Self::status) have its error. This compiles on the calling thread.
    ///
    /// # Errors
    ///
    /// The directory can't be listed.
    pub fn open(
        runtime: Runtime,
        dir: impl Into<PathBuf>,
        options: PoliciesOptions,
    ) -> Result<Self, PoliciesError> {
        let loaded = Loaded {
            lineup: Arc::new(Lineup::new(0, Vec::new(), &options.required)),
            states: Vec::new(),
        };
        let library = Library {
            runtime,
            dir: dir.into(),
            options,
            catalog: Mutex::default(),
            loaded: ArcSwap::from_pointee(loaded),
            progress: Mutex::default(),
            changed: Condvar::new(),
        };
        library.reload()?;
        Ok(Self {
            library: Arc::new(library),
            watch: Mutex::new(None),
        })
    }

    /// Returns the current lineup. A request takes it once, at its start, and keeps it.
    pub fn current(&self) -> Arc<Lineup> {
        Arc::clone(&self.library.loaded.load().lineup)
    }

    /// Returns the directory.
    pub fn dir(&self) -> &Path {
        &self.library.dir
    }

    /// Starts the thread that reloads the directory when it changes. The thread ends when `self` is dropped. A second call
    /// does nothing.
    ///
    /// # Errors
    ///
    /// The thread can't start.
    pub fn watch(&self) -> Result<(), PoliciesError> {
        let mut watch = self.watch.lock();
        if watch.is_none() {
            let library = Arc::clone(&self.library);
            *watch = Some(Watch::try_start(library).map_err(PoliciesError::Thread)?);
        }
        Ok(())
    }

    /// Reads the directory now and returns the new current lineup. This compiles on the calling thread.
    ///
    /// # Errors
    ///
    /// The directory can't be listed; the current lineup stays.
    pub fn reload_now(&self) -> Result<Arc<Lineup>, PoliciesError> {
        self.library.reload()?;
        Ok(self.current())
    }

    /// Returns the number of the current lineup.
    pub fn generation(&self) -> u64 {
        self.progress().generation
    }

    /// Returns the progress of reloading.
    pub fn progress(&self) -> Progress {
        *self.library.progress.lock()
    }

    /// Blocks until `done` returns `true`, calling it after each reading of the directory. Returns the progress that it
    /// accepted, or `None` after `timeout`.
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

    /// Returns the status of each plugin, by name, including refused files and required plugins that are absent.
    pub fn status(&self) -> Vec<PluginStatus> {
        let loaded = self.library.loaded.load();
        status::of(&loaded.states, loaded.lineup.missing())
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
    /// Reads the directory and replaces the lineup if a plugin changed.
    fn reload(&self) -> Result<(), PoliciesError> {
        let mut catalog = self.catalog.lock();
        // The listing is older than the files' content, so a change in between shows at the next check.
        let listing = Listing::of(&self.dir)
            .map_err(|error| PoliciesError::Directory(self.dir.clone(), error))?;
        let changed = catalog.update(&self.runtime, &self.dir, listing);

        let mut progress = self.progress.lock();
        let mut lineup = Arc::clone(&self.loaded.load().lineup);
        if changed || progress.scans == 0 {
            progress.generation += 1;
            let new = Lineup::new(
                progress.generation,
                catalog.plugins(),
                &self.options.required,
            );
            let change = Change::between(lineup.plugins(), new.plugins());
            tracing::info!(
                generation = progress.generation,
                plugins = new.plugins().len(),
                "new lineup: {change}"
            );
            lineup = Arc::new(new);
        }
        self.loaded.store(Arc::new(Loaded {
            lineup,
            states: catalog.states(),
        }));
        progress.scans += 1;
        drop(progress);
        self.changed.notify_all();
        Ok(())
    }

    /// Returns whether the directory may have changed since it was last read.
    fn looks_changed(&self, look: Look) -> bool {
        let mut catalog = self.catalog.lock();
        let is_proven = look == Look::Stamp && catalog.is_proven(&self.dir);
        !is_proven && catalog.differs(Listing::of(&self.dir).ok())
    }

    /// Returns whether nothing is waited for that only a look can find.
    fn is_settled(&self) -> bool {
        self.catalog.lock().is_settled()
    }

    /// Returns the directory and the files that the plugins were read from.
    fn paths(&self) -> Vec<PathBuf> {
        let catalog = self.catalog.lock();
        let files = catalog.files().map(|name| self.dir.join(name));
        std::iter::once(self.dir.clone()).chain(files).collect()
    }
}
