//! Reloads of `witgate.toml` and the files that it names, while the gateway runs.
//!
//! The system tells of changes, as far as it can, and polls find the others. Each compares the files with their state at the
//! last reload. A complete change ([`watched`]) reloads all of them and swaps them in together. A failed reload leaves
//! everything as it was, is logged once, is shown on the admin pages, and is retried, because a file that the configuration
//! names may be written later than the configuration.

mod watched;

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::sleep;
use witgate_runtime::file::{Heard, Waker, Watcher};

use self::watched::{Found, Watched};
use crate::config::Config;
use crate::gateway::Gateway;
use crate::gateway::snapshot::Snapshot;
use crate::listen::stopped;

pub(crate) use self::watched::Prints;

/// Time between two polls where the system does not tell of all changes, and while a reload fails.
const POLL: Duration = Duration::from_secs(1);

/// Time between two polls where the system tells of all changes.
const RARE_POLL: Duration = Duration::from_secs(30);

/// Time between two polls while files are being written.
const UNSETTLED_POLL: Duration = Duration::from_millis(250);

/// Time without further changes after which the files are looked at, so that files that are replaced one after the other are
/// read together.
const QUIET: Duration = Duration::from_millis(50);

/// Time after which they are looked at all the same.
const MAX_QUIET: Duration = Duration::from_millis(500);

/// Time between two attempts of a reload that fails.
const RETRY: Duration = Duration::from_secs(10);

/// The reloader of a running gateway.
pub(crate) struct Reloader {
    gateway: Arc<Gateway>,
    /// Held during a reload, so that the configuration that was read last is the one in use.
    turn: Mutex<()>,
    state: Mutex<State>,
    /// Wakes the thread that watches the files, while there is one. It belongs to the task, with which the thread ends.
    waker: Mutex<Weak<Waker>>,
}

struct State {
    files: Watched,
    /// Problems of the last reload, or `None` if it succeeded.
    error: Option<String>,
    /// Start of the last reload.
    last_attempt: Instant,
    reloads: u64,
}

/// The cause of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// A request of the operator.
    Requested,
    /// A change of the files.
    Changed,
    /// A retry of a failed reload, whose problems are in the log already.
    Retry,
}

/// The result of the last reload, for the admin pages.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub(crate) struct ReloadStatus {
    /// Number of successful reloads since the start.
    pub(crate) reloads: u64,
    /// Problems of the last reload, or `None` if it succeeded.
    pub(crate) last_error: Option<String>,
}

// === impl Reloader ===

impl Reloader {
    /// Creates the reloader of a gateway whose files were read after `prints` were taken.
    pub(crate) fn new(gateway: Arc<Gateway>, prints: Prints) -> Self {
        Self {
            gateway,
            turn: Mutex::new(()),
            state: Mutex::new(State {
                files: Watched::new(prints),
                error: None,
                last_attempt: Instant::now(),
                reloads: 0,
            }),
            waker: Mutex::default(),
        }
    }

    /// Returns the result of the last reload.
    pub(crate) fn status(&self) -> ReloadStatus {
        let state = self.state.lock();
        ReloadStatus {
            reloads: state.reloads,
            last_error: state.error.clone(),
        }
    }

    /// Watches the files until the gateway stops.
    pub(crate) async fn watch(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            match Watcher::try_new() {
                Ok((watcher, waker)) => {
                    let waker = Arc::new(waker);
                    *self.waker.lock() = Arc::downgrade(&waker);
                    let this = Arc::clone(&self);
                    // Reading files blocks, and a timer of the runtime would wake its workers several times for each poll.
                    let watching = tokio::task::spawn_blocking(move || this.follow(watcher));
                    tokio::select! {
                        () = stopped(&mut stop) => return drop(waker),
                        // It ends early only by a panic, which has been logged.
                        _ = watching => {}
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the configuration can't be watched, so its changes are not noticed; it is tried again");
                    tokio::select! {
                        () = stopped(&mut stop) => return,
                        () = sleep(RETRY) => {}
                    }
                }
            }
        }
    }

    /// Watches the files until the waker is dropped.
    fn follow(&self, mut watcher: Watcher) {
        self.listen(&mut watcher);
        let mut pause = QUIET;
        loop {
            let heard = watcher.wait(pause);
            let ends = match heard {
                Heard::Change => watcher.wait_for_quiet(QUIET, MAX_QUIET) == Heard::End,
                Heard::End => true,
                Heard::Call | Heard::Mount | Heard::Quiet => false,
            };
            if ends {
                return;
            }
            let found = self.poll();
            // A reload may have named other files.
            let listens = heard != Heard::Quiet || found == Found::Changed;
            if listens {
                self.listen(&mut watcher);
            }
            pause = match found {
                Found::Unsettled => UNSETTLED_POLL,
                // What changed before that is found by the next poll.
                Found::Same | Found::Changed if listens => QUIET,
                Found::Same | Found::Changed if watcher.hears_all() && self.is_settled() => {
                    RARE_POLL
                }
                Found::Same | Found::Changed => POLL,
            };
        }
    }

    /// Watches the files that are in use now.
    fn listen(&self, watcher: &mut Watcher) {
        let state = self.state.lock();
        let paths: Vec<PathBuf> = state.files.paths().map(PathBuf::from).collect();
        drop(state);
        watcher.watch(paths.iter().map(PathBuf::as_path));
    }

    /// Returns whether nothing is waited for that only a poll can find.
    fn is_settled(&self) -> bool {
        let state = self.state.lock();
        state.error.is_none() && state.files.is_conclusive()
    }

    fn poll(&self) -> Found {
        // A running reload reads every file; the files are polled after it.
        let _turn = self.turn.lock();
        let now = Instant::now();
        let mut state = self.state.lock();
        let found = state.files.look(now);
        let is_due = state.error.is_some() && now.duration_since(state.last_attempt) >= RETRY;
        drop(state);
        let cause = match found {
            Found::Changed => Some(Cause::Changed),
            Found::Same => is_due.then_some(Cause::Retry),
            Found::Unsettled => None,
        };
        if let Some(cause) = cause {
            // A failure has been logged.
            let _ = self.reload(cause);
        }
        found
    }

    /// Reloads everything, changed or not, plugins included.
    ///
    /// # Errors
    ///
    /// Returns every problem.
    pub(crate) async fn reload_all(self: Arc<Self>) -> Result<(), String> {
        let done = tokio::task::spawn_blocking(move || {
            let turn = self.turn.lock();
            let reloaded = self.reload(Cause::Requested);
            drop(turn);
            // The new configuration may name other files.
            if let Some(waker) = self.waker.lock().upgrade() {
                waker.wake();
            }
            let plugins = self.gateway.policies.reload_now();
            reloaded.and(plugins.map(drop).map_err(|error| error.to_string()))
        });
        done.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Reloads the configuration and the files that it names. The caller holds `turn`.
    fn reload(&self, cause: Cause) -> Result<(), String> {
        self.state.lock().last_attempt = Instant::now();
        let previous = self.gateway.snapshot();
        // The prints are taken before the files are read, so that the next poll sees what changes meanwhile.
        let mut prints = Prints::now(&previous.config);
        let next = Config::read(&previous.config.path)
            .map_err(|problems| problems.to_string())
            .and_then(|config| {
                prints.add(&config);
                let pending = previous.config.needs_restart(&config);
                if !pending.is_empty() && cause != Cause::Retry {
                    tracing::warn!(
                        keys = pending.join(", "),
                        "some changed keys take effect only after a restart; the others were applied"
                    );
                }
                let resolver = previous.upstreams.resolver();
                Snapshot::prepare(Arc::new(config), resolver, Some(&previous))
            });
        match next {
            Ok(snapshot) => {
                snapshot.config.warn();
                prints.keep(&snapshot.config);
                self.gateway.replace(snapshot);
                let mut state = self.state.lock();
                state.files = Watched::new(prints);
                state.error = None;
                state.reloads += 1;
                tracing::info!("the configuration was reloaded");
                Ok(())
            }
            Err(error) => {
                let mut state = self.state.lock();
                // Includes the files that the new configuration names: the problem may be in one of them.
                state.files = Watched::new(prints);
                if cause != Cause::Retry || state.error.as_ref() != Some(&error) {
                    tracing::error!(%error, "the configuration was not reloaded; the previous one stays in use");
                }
                state.error = Some(error.clone());
                Err(error)
            }
        }
    }
}
