//! What changes while the gateway runs: `witgate.toml` and the files that it names.
//!
//! Each look compares the files with those of the last one; a change reads all of them anew and swaps them in
//! together. What is wrong leaves everything as it was, is logged once, and stays to be seen on the admin pages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::{Config, Keys};
use crate::gateway::Gateway;
use crate::live::Live;
use crate::serve::stopped;

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Reads changed files into the running gateway.
pub(crate) struct Reloader {
    gateway: Arc<Gateway>,
    seen: Mutex<Seen>,
}

struct Seen {
    files: Fingerprint,
    /// What was wrong at the last reload; none when it went well.
    error: Option<String>,
    reloads: u64,
}

/// Sizes and times of the files, which change when somebody writes them.
type Fingerprint = BTreeMap<PathBuf, Option<(u64, SystemTime)>>;

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
    pub(crate) fn new(gateway: Arc<Gateway>) -> Self {
        let files = fingerprint(&gateway.live().config);
        Self {
            gateway,
            seen: Mutex::new(Seen {
                files,
                error: None,
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
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopped(&mut stop) => return,
                _ = ticks.tick() => {}
            }
            let this = Arc::clone(&self);
            // Reading files blocks; a failure is logged where it happens.
            let _ = tokio::task::spawn_blocking(move || this.look()).await;
        }
    }

    fn look(&self) {
        let files = fingerprint(&self.gateway.live().config);
        if self.seen().files != files {
            let _ = self.reload();
        }
    }

    /// Reads everything anew, changed or not, plugins included.
    pub(crate) async fn reload_all(self: Arc<Self>) -> Result<(), String> {
        let done = tokio::task::spawn_blocking(move || {
            let reloaded = self.reload();
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

    fn reload(&self) -> Result<(), String> {
        let previous = self.gateway.live();
        let files = fingerprint(&previous.config);
        let next = Config::read(&previous.config.path)
            .map_err(|problems| problems.to_string())
            .and_then(|config| {
                let held = previous.config.needs_restart(&config);
                if !held.is_empty() {
                    tracing::warn!(
                        keys = held.join(", "),
                        "changed keys need a restart; the others are applied"
                    );
                }
                let resolver = previous.upstreams.resolver();
                Live::prepare(Arc::new(config), resolver, Some(&previous))
            });
        let mut seen = self.seen();
        match next {
            Ok(live) => {
                // The files named now may be others than before.
                seen.files = fingerprint(&live.config);
                self.gateway.replace(live);
                seen.error = None;
                seen.reloads += 1;
                tracing::info!("the configuration was read again");
                Ok(())
            }
            Err(error) => {
                seen.files = files;
                tracing::error!(%error, "the configuration was not applied; the one in use stays");
                seen.error = Some(error.clone());
                Err(error)
            }
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fingerprint(config: &Config) -> Fingerprint {
    let keys = match &config.keys {
        Keys::File(path) => Some(path.as_path()),
        Keys::Open => None,
    };
    let credentials = config
        .upstreams
        .iter()
        .filter_map(|upstream| upstream.credential.as_ref()?.file());
    let tls = config.listen.tls.iter().flat_map(|tls| tls.files());
    let files = [Some(config.path.as_path()), keys, config.prices.as_deref()];
    files
        .into_iter()
        .flatten()
        .chain(credentials)
        .chain(tls)
        .map(|path| (path.to_owned(), look_at(path)))
        .collect()
}

fn look_at(path: &Path) -> Option<(u64, SystemTime)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}
