//! The credential of a cloud: found where the cloud's own tools find it, and renewed before it ends.
//!
//! What the environment and files have is read at once. Keys of a role and tokens come from an endpoint, which is asked in the
//! background: ahead of their end, and when the upstream has refused the one in use. Requests wait for a credential only while there is
//! none that is valid, and all of them for the same answer.

mod aws;
mod entra;
pub(crate) mod found;
mod google;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;
use rand::Rng as _;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep_until, timeout};
use witgate_dialect::State;

use self::found::{Access, Found, Place};
use super::Renewal;
use crate::config::Identity;

/// Shortest time between two questions on behalf of requests, so that an upstream that refuses everything does not cause one for each
/// request.
const MIN_PAUSE: Duration = Duration::from_secs(5);

/// Shortest time between two questions before the end of a credential, however soon that is.
const MIN_WAIT: Duration = Duration::from_secs(1);

/// Longest wait after a question without an answer.
const MAX_RETRY_WAIT: Duration = Duration::from_secs(60);

/// Longest time for which a request waits for a credential.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest time before which credentials are renewed at random, so that a fleet does not ask all at once.
const MAX_JITTER: Duration = Duration::from_secs(60);

/// The credential of one upstream, and the means to renew it.
pub(crate) struct Leased {
    identity: Identity,
    current: ArcSwapOption<Held>,
    /// The reason why the last attempt to get one failed.
    trouble: ArcSwapOption<String>,
    /// Notified when a request asks for a renewal.
    wanted: Notify,
    /// The number of renewals that ended, successful or not.
    ended: watch::Sender<u64>,
}

/// A credential in use.
#[derive(Debug)]
pub(crate) struct Held {
    /// The credential.
    pub(crate) access: Access,
    /// The place where it was found, in words.
    pub(crate) origin: String,
}

/// The state of an upstream's credential, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseStatus {
    /// The place where the credential in use was found, or where one is looked for.
    pub origin: String,
    /// The public half of keys; `None` for other credentials, or before there is one.
    pub id: Option<String>,
    /// The end of the credential in use, if it has one.
    pub expires: Option<SystemTime>,
    /// The reason why the last attempt to get one failed.
    pub trouble: Option<String>,
}

/// Asks an endpoint for a credential.
pub(crate) type AskEndpoint =
    fn(Place) -> Pin<Box<dyn Future<Output = Result<(Access, String), String>> + Send>>;

// === impl Identity ===

impl Identity {
    /// Looks for a credential without asking an endpoint. Reads files.
    ///
    /// # Errors
    ///
    /// There are wrong ones, or none where they would be.
    fn at_hand(&self) -> Result<Found, String> {
        match self {
            Self::Aws(config) => aws::at_hand(config),
            Self::Google(config) => google::at_hand(config),
            Self::Entra(config) => entra::at_hand(config),
        }
    }

    /// Returns the place that is looked into, in words.
    fn place(&self) -> String {
        match self {
            Self::Aws(config) => config.source.place().to_owned(),
            Self::Google(config) => config.look().unwrap_or_else(|_| "Google".to_owned()),
            Self::Entra(config) => config
                .look()
                .unwrap_or_else(|_| "Microsoft Entra".to_owned()),
        }
    }
}

// === impl Leased ===

impl Leased {
    /// Reads what the environment or files have. What an endpoint gives comes later.
    ///
    /// # Errors
    ///
    /// There are wrong credentials, or none where they would be.
    pub(super) fn try_open(identity: Identity) -> Result<Self, String> {
        let leased = Self {
            identity,
            current: ArcSwapOption::empty(),
            trouble: ArcSwapOption::empty(),
            wanted: Notify::new(),
            ended: watch::Sender::new(0),
        };
        leased.reread()?;
        Ok(leased)
    }

    /// Looks for a credential again after a reload of the configuration.
    ///
    /// # Errors
    ///
    /// As [`Leased::try_open`]; the one in use stays.
    pub(super) fn reread(&self) -> Result<(), String> {
        match self.identity.at_hand()? {
            Found::Access(access, origin) => self.hold(access, origin),
            // Without a credential it is asked anyway.
            Found::At(_) if self.current.load().is_some() => self.wanted.notify_one(),
            Found::At(_) => {}
        }
        Ok(())
    }

    /// Waits for a valid credential, if there is none.
    ///
    /// # Errors
    ///
    /// There is none, and the reason.
    pub(super) async fn ready(&self) -> Result<Arc<Held>, String> {
        let held = self.current.load_full();
        if let Some(held) = &held
            && held.access.lease().state(SystemTime::now()) != State::Ended
        {
            return Ok(Arc::clone(held));
        }
        self.ask_for_renewal().await;
        // An upstream may still accept one whose end is near.
        self.current.load_full().ok_or_else(|| {
            let trouble = self.trouble.load();
            match trouble.as_deref() {
                Some(trouble) => trouble.clone(),
                None => format!("{} gave no credential in time", self.identity.place()),
            }
        })
    }

    /// Renews the credential after the upstream refused the one in use.
    pub(super) async fn renew(&self) -> Renewal {
        let before = self.current.load_full();
        self.ask_for_renewal().await;
        let now = self.current.load_full();
        let same = match (&before, &now) {
            (Some(before), Some(now)) => before.access == now.access,
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
    pub(super) fn status(&self) -> LeaseStatus {
        let held = self.current.load();
        let held = held.as_deref();
        LeaseStatus {
            origin: held.map_or_else(|| self.identity.place(), |held| held.origin.clone()),
            id: held.and_then(|held| held.access.id().map(str::to_owned)),
            expires: held.and_then(|held| held.access.lease().end()),
            trouble: self.trouble.load().as_deref().cloned(),
        }
    }

    /// Waits for the end of a renewal that this asks for. Concurrent requests share it.
    async fn ask_for_renewal(&self) {
        let mut ended = self.ended.subscribe();
        self.wanted.notify_one();
        // Without the task that keeps it fresh, such as while the gateway stops, no renewal ends.
        let _ = timeout(PATIENCE, ended.changed()).await;
    }

    fn hold(&self, access: Access, origin: String) {
        self.trouble.store(None);
        self.current.store(Some(Arc::new(Held { access, origin })));
    }

    /// Renews the credential before it ends, forever.
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
                    // The first one is no renewal, which may follow at once.
                    asked = asked.filter(|_| !had_none);
                    tracing::info!(upstream, %origin, "the upstream has a credential of its cloud");
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    tracing::error!(
                        upstream,
                        error,
                        "the credential of the upstream's cloud could not be renewed; the one in use stays in use"
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

    /// Looks for a credential, and asks an endpoint for it if it is there. Returns its place in words.
    ///
    /// # Errors
    ///
    /// There is none, and the reason.
    pub(super) async fn find(&self, ask: AskEndpoint) -> Result<String, String> {
        let identity = self.identity.clone();
        let found = tokio::task::spawn_blocking(move || identity.at_hand()).await;
        let (access, origin) =
            match found.map_err(|_| "the files could not be read".to_owned())?? {
                Found::Access(access, origin) => (access, origin),
                Found::At(place) => ask(place).await?,
            };
        self.hold(access, origin.clone());
        Ok(origin)
    }

    /// Returns the time until the credential in use is to be renewed: `None` for one that has no end, nothing before there is one.
    fn next(&self) -> Option<Duration> {
        let held = self.current.load();
        let Some(held) = held.as_deref() else {
            return Some(Duration::ZERO);
        };
        let now = SystemTime::now();
        let left = held
            .access
            .lease()
            .end()?
            .duration_since(now)
            .unwrap_or_default();
        let wait = held.access.lease().wait(now).unwrap_or_default();
        // An endpoint that gives short ones is not asked without a pause.
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
