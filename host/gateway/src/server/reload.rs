//! What changes while the gateway runs: `witgate.toml` and the files that it names.
//!
//! Each look compares the files with what was read last; a change that is whole ([`watched`]) reads all of them anew and
//! swaps them in together. What is wrong leaves everything as it was, is logged once, stays to be seen on the admin
//! pages, and is tried again: a file that the configuration names may come later than the configuration.

mod watched;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use self::watched::{Found, Watched};
use crate::config::Config;
use crate::gateway::Gateway;
use crate::gateway::snapshot::Snapshot;
use crate::listen::stopped;

pub(crate) use self::watched::Prints;

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Time between two looks while files are being written.
const CLOSE_LOOK: Duration = Duration::from_millis(250);

/// Time between two tries of a reload that fails.
const RETRY: Duration = Duration::from_secs(10);

/// Reads changed files into the running gateway.
pub(crate) struct Reloader {
    gateway: Arc<Gateway>,
    /// Held for the length of a reload, so that what was read last is what is in use.
    turn: Mutex<()>,
    seen: Mutex<Seen>,
}

struct Seen {
    files: Watched,
    /// What was wrong at the last reload; none when it went well.
    error: Option<String>,
    /// When the last reload began.
    tried: Instant,
    reloads: u64,
}

/// Why files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The operator asked.
    Asked,
    /// They have changed.
    Changed,
    /// The last reload failed. What is wrong is in the log already.
    Failed,
}

/// How the last reload went, for the admin pages.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub(crate) struct ReloadStatus {
    /// Reloads that went well since the start.
    pub(crate) reloads: u64,
    /// What was wrong at the last one; none when it went well.
    pub(crate) last_error: Option<String>,
}

// === impl Reloader ===

impl Reloader {
    /// Makes one for a gateway whose files were read after `prints` were taken.
    pub(crate) fn new(gateway: Arc<Gateway>, prints: Prints) -> Self {
        Self {
            gateway,
            turn: Mutex::new(()),
            seen: Mutex::new(Seen {
                files: Watched::new(prints),
                error: None,
                tried: Instant::now(),
                reloads: 0,
            }),
        }
    }

    /// How the last reload went.
    pub(crate) fn status(&self) -> ReloadStatus {
        let seen = self.seen();
        ReloadStatus {
            reloads: seen.reloads,
            last_error: seen.error.clone(),
        }
    }

    /// Looks at the files until the gateway stops.
    pub(crate) async fn watch(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                () = stopped(&mut stop) => return,
                () = tokio::time::sleep(pause) => {}
            }
            let this = Arc::clone(&self);
            // Reading files blocks; a failure is logged where it happens.
            let found = tokio::task::spawn_blocking(move || this.look()).await;
            pause = match found {
                Ok(Found::Unsettled) => CLOSE_LOOK,
                Ok(Found::Same | Found::Changed) | Err(_) => LOOK,
            };
        }
    }

    fn look(&self) -> Found {
        // Whoever reloads reads all that there is; the files are looked at afterwards.
        let _turn = self.turn();
        let now = Instant::now();
        let mut seen = self.seen();
        let found = seen.files.look(now);
        let is_due = seen.error.is_some() && now.duration_since(seen.tried) >= RETRY;
        drop(seen);
        let cause = match found {
            Found::Changed => Some(Cause::Changed),
            Found::Same => is_due.then_some(Cause::Failed),
            Found::Unsettled => None,
        };
        if let Some(cause) = cause {
            // A failure has been logged.
            let _ = self.reload(cause);
        }
        found
    }

    /// Reads everything anew, changed or not, plugins included.
    pub(crate) async fn reload_all(self: Arc<Self>) -> Result<(), String> {
        let done = tokio::task::spawn_blocking(move || {
            let turn = self.turn();
            let reloaded = self.reload(Cause::Asked);
            drop(turn);
            let plugins = self
                .gateway
                .policies
                .reload_now()
                .map(drop)
                .map_err(|error| error.to_string());
            reloaded.and(plugins)
        });
        done.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Reads everything anew. To be called with the turn.
    fn reload(&self, cause: Cause) -> Result<(), String> {
        self.seen().tried = Instant::now();
        let previous = self.gateway.snapshot();
        // The prints are older than what is read: what changes meanwhile differs from them at the next look.
        let mut prints = Prints::now(&previous.config);
        let next = Config::read(&previous.config.path)
            .map_err(|problems| problems.to_string())
            .and_then(|config| {
                prints.add(&config);
                let held = previous.config.needs_restart(&config);
                if !held.is_empty() && cause != Cause::Failed {
                    tracing::warn!(
                        keys = held.join(", "),
                        "changed keys need a restart; the others are applied"
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
                let mut seen = self.seen();
                seen.files = Watched::new(prints);
                seen.error = None;
                seen.reloads += 1;
                tracing::info!("the configuration was read again");
                Ok(())
            }
            Err(error) => {
                let mut seen = self.seen();
                // Those of the new configuration too: it may be one of them that is to be put right.
                seen.files = Watched::new(prints);
                if cause != Cause::Failed || seen.error.as_ref() != Some(&error) {
                    tracing::error!(%error, "the configuration was not applied; the one in use stays");
                }
                seen.error = Some(error.clone());
                Err(error)
            }
        }
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock()
    }
}
