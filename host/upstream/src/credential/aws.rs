//! The keys of an AWS account: found where AWS's own tools find them, and renewed before they end.
//!
//! Keys of the environment and of files are read at once. Those of a container or an instance come from an endpoint, which is asked in the
//! background: ahead of their end, and when the upstream has refused those in use. Requests wait for keys only while there are none that
//! are valid, and all of them for the same answer.

pub(crate) mod find;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;
use rand::Rng as _;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep_until, timeout};
use witgate_bedrock::Access;
use witgate_bedrock::credentials::{Lease, State};

use self::find::{Found, Origin, Place};
use super::Renewal;
use crate::config::KeysConfig;

/// Shortest time between two questions on behalf of requests, so that an upstream that refuses everything does not cause one for each
/// request.
const MIN_PAUSE: Duration = Duration::from_secs(5);

/// Shortest time between two questions before the end of keys, however soon that is.
const MIN_WAIT: Duration = Duration::from_secs(1);

/// Longest wait after a question without an answer.
const MAX_RETRY_WAIT: Duration = Duration::from_secs(60);

/// Longest time for which a request waits for keys.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest time before which keys are renewed at random, so that a fleet does not ask all at once.
const MAX_JITTER: Duration = Duration::from_secs(60);

/// The keys of one upstream, and the means to renew them.
pub(crate) struct AwsKeys {
    config: KeysConfig,
    current: ArcSwapOption<Held>,
    /// The reason why the last attempt to get keys failed.
    trouble: ArcSwapOption<String>,
    /// Notified when a request asks for a renewal.
    wanted: Notify,
    /// The number of renewals that ended, successful or not.
    ended: watch::Sender<u64>,
}

/// Keys in use.
#[derive(Debug)]
pub(crate) struct Held {
    /// The keys.
    pub(crate) access: Access,
    /// The place where they were found.
    pub(crate) origin: Origin,
}

/// The state of an upstream's keys, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysStatus {
    /// The place where the keys in use were found, or where they are looked for.
    pub origin: String,
    /// The public half of the keys in use; `None` for an API key, or before there are keys.
    pub id: Option<String>,
    /// The end of the keys in use, if they have one.
    pub expires: Option<SystemTime>,
    /// The reason why the last attempt to get keys failed.
    pub trouble: Option<String>,
}

/// Asks an endpoint for keys.
pub(crate) type AskEndpoint =
    fn(Place) -> Pin<Box<dyn Future<Output = Result<(Access, Origin), String>> + Send>>;

// === impl KeysConfig ===

impl KeysConfig {
    /// Says where keys are at hand, or which endpoint would be asked for them.
    ///
    /// # Errors
    ///
    /// There are wrong ones, or none where they would be.
    pub fn look(&self) -> Result<String, String> {
        Ok(match find::at_hand(self)? {
            Found::Access(_, origin) => origin.to_string(),
            Found::At(place) => place.to_string(),
        })
    }
}

// === impl AwsKeys ===

impl AwsKeys {
    /// Reads keys of the environment or of files. Those of an endpoint come later.
    ///
    /// # Errors
    ///
    /// There are wrong ones, or none where they would be.
    pub(super) fn try_open(config: &KeysConfig) -> Result<Self, String> {
        let keys = Self {
            config: config.clone(),
            current: ArcSwapOption::empty(),
            trouble: ArcSwapOption::empty(),
            wanted: Notify::new(),
            ended: watch::Sender::new(0),
        };
        keys.reread()?;
        Ok(keys)
    }

    /// Looks for keys again after a reload of the configuration.
    ///
    /// # Errors
    ///
    /// As [`AwsKeys::try_open`]; the keys in use stay.
    pub(super) fn reread(&self) -> Result<(), String> {
        match find::at_hand(&self.config)? {
            Found::Access(access, origin) => self.hold(access, origin),
            // Without keys it is asked anyway.
            Found::At(_) if self.current.load().is_some() => self.wanted.notify_one(),
            Found::At(_) => {}
        }
        Ok(())
    }

    /// Waits for valid keys, if there are none.
    ///
    /// # Errors
    ///
    /// There are none, and the reason.
    pub(super) async fn ready(&self) -> Result<Arc<Held>, String> {
        let held = self.current.load_full();
        if let Some(held) = &held
            && held.lease().state(SystemTime::now()) != State::Ended
        {
            return Ok(Arc::clone(held));
        }
        self.ask_for_renewal().await;
        // An upstream may still accept keys whose end is near.
        self.current.load_full().ok_or_else(|| {
            let trouble = self.trouble.load();
            match trouble.as_deref() {
                Some(trouble) => trouble.clone(),
                None => format!(
                    "{} gave no AWS credentials in time",
                    self.config.source.place()
                ),
            }
        })
    }

    /// Renews the keys after the upstream refused those in use.
    pub(super) async fn renew(&self) -> Renewal {
        let before = self.current.load_full();
        self.ask_for_renewal().await;
        let now = self.current.load_full();
        let same = match (&before, &now) {
            (Some(before), Some(now)) => before.is_same(now),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if same {
            Renewal::Unchanged
        } else {
            Renewal::Renewed
        }
    }

    /// Returns the state for operators.
    pub(super) fn status(&self) -> KeysStatus {
        let held = self.current.load();
        let held = held.as_deref();
        let keys = held.and_then(|held| match &held.access {
            Access::Keys(keys) => Some(keys),
            Access::ApiKey(_) => None,
        });
        KeysStatus {
            origin: held.map_or_else(
                || self.config.source.place().to_owned(),
                |held| held.origin.to_string(),
            ),
            id: keys.map(|keys| keys.id().to_owned()),
            expires: keys.and_then(|keys| keys.lease().end()),
            trouble: self.trouble.load().as_deref().cloned(),
        }
    }

    /// Waits for the end of a renewal that this asks for. Concurrent requests share it.
    async fn ask_for_renewal(&self) {
        let mut ended = self.ended.subscribe();
        self.wanted.notify_one();
        // Without the task that keeps them fresh, such as while the gateway stops, no renewal ends.
        let _ = timeout(PATIENCE, ended.changed()).await;
    }

    fn hold(&self, access: Access, origin: Origin) {
        self.trouble.store(None);
        self.current.store(Some(Arc::new(Held { access, origin })));
    }

    /// Renews the keys before they end, forever.
    pub(super) async fn keep_fresh(&self, upstream: &str, ask: AskEndpoint) {
        let mut failures = 0_u32;
        let mut asked: Option<Instant> = None;
        loop {
            let wait = match failures {
                0 => self.next(),
                _ => Some(Duration::from_secs(1 << failures.min(6)).min(MAX_RETRY_WAIT)),
            };
            tokio::select! {
                () = elapsed(wait) => {}
                () = self.wanted.notified() => {
                    let in_vain = failures > 0 || self.current.load().is_some();
                    if in_vain && asked.is_some_and(|asked| asked.elapsed() < MIN_PAUSE) {
                        self.ended.send_modify(|ended| *ended += 1);
                        continue;
                    }
                    asked = Some(Instant::now());
                }
            }
            let had_none = self.current.load().is_none();
            match self.find(ask).await {
                Ok(origin) => {
                    failures = 0;
                    // The first keys are no renewal, which may follow at once.
                    asked = asked.filter(|_| !had_none);
                    tracing::info!(upstream, %origin, "the upstream has AWS credentials");
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    tracing::error!(
                        upstream,
                        error,
                        "the upstream's AWS credentials could not be renewed; those in use stay in use"
                    );
                    self.trouble.store(Some(Arc::new(error)));
                }
            }
            // Those who asked meanwhile get this answer.
            tokio::select! {
                biased;
                () = self.wanted.notified() => {}
                () = std::future::ready(()) => {}
            }
            self.ended.send_modify(|ended| *ended += 1);
        }
    }

    /// Looks for keys, and asks an endpoint for them if they are there.
    async fn find(&self, ask: AskEndpoint) -> Result<Origin, String> {
        let config = self.config.clone();
        let found = tokio::task::spawn_blocking(move || find::at_hand(&config)).await;
        let (access, origin) =
            match found.map_err(|_| "the files could not be read".to_owned())?? {
                Found::Access(access, origin) => (access, origin),
                Found::At(place) => ask(place).await?,
            };
        self.hold(access, origin.clone());
        Ok(origin)
    }

    /// Returns the time until the keys in use are to be renewed: `None` for those that have no end, nothing before there are any.
    fn next(&self) -> Option<Duration> {
        let held = self.current.load();
        let Some(held) = held.as_deref() else {
            return Some(Duration::ZERO);
        };
        let now = SystemTime::now();
        let left = held.lease().end()?.duration_since(now).unwrap_or_default();
        let wait = held.lease().wait(now).unwrap_or_default();
        // An endpoint that gives short keys is not asked without a pause.
        let wait = wait.max(left / 2).max(MIN_WAIT);
        let jitter = MAX_JITTER.min(wait / 10);
        Some(wait - rand::thread_rng().gen_range(Duration::ZERO..=jitter))
    }
}

/// Waits so long, or for ever.
async fn elapsed(wait: Option<Duration>) {
    match wait {
        Some(wait) => sleep_until(tokio::time::Instant::now() + wait).await,
        None => std::future::pending().await,
    }
}

// === impl Held ===

impl Held {
    fn lease(&self) -> Lease {
        match &self.access {
            Access::Keys(keys) => keys.lease(),
            Access::ApiKey(_) => Lease::until(None),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.access == other.access
    }
}
