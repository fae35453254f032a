//! The credential of an upstream: read, renewed in time, and never shown to anyone else.
//!
//! A file is read again when it changes; a command is run again before its output expires. A credential that cannot be
//! renewed stays in use, because the upstream may still accept it. After a 401 a request may ask for a renewal; concurrent
//! requests share one.

mod command;
mod expiry;
pub(crate) mod leased;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep_until, timeout};

use self::leased::{AskEndpoint, Held, LeaseStatus, Leased};
use crate::config::{self, CredentialCommand, CredentialHeader, CredentialSource, OwnCredential};
use crate::request::is_callers_credential;

/// Shortest time between two runs of a command on behalf of requests, so that an upstream that refuses everything does not
/// cause a run for each request.
const MIN_PAUSE: Duration = Duration::from_secs(5);

/// Longest wait after a run that failed.
const MAX_RETRY_WAIT: Duration = Duration::from_secs(60);

/// Longest time before its expiry at which a credential is renewed.
const MAX_MARGIN: Duration = Duration::from_secs(60);

static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
static BEARER: HeaderName = AUTHORIZATION;

/// The credential that an upstream is sent.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// No credential: the upstream needs none.
    None,
    /// The upstream's own, in place of the caller's.
    Own(CredentialHeader, Arc<HeaderValue>),
    /// The caller's own `authorization` and `x-api-key`, unchanged.
    Callers,
}

/// The current credential of one upstream, and the means to renew it.
pub(crate) struct CredentialStore {
    access: Access,
}

enum Access {
    Nothing,
    Callers,
    Own(Box<Own>),
    /// The credential of a cloud, which the upstream's dialect puts into each request.
    Leased(Box<Leased>),
}

struct Own {
    config: OwnCredential,
    current: ArcSwapOption<Current>,
    /// Notified when a request asks for a renewal.
    wanted: Notify,
    /// The number of renewals that ended, successful or not.
    ended: watch::Sender<u64>,
}

struct Current {
    value: Arc<HeaderValue>,
    /// The time of the next renewal; `None` if the source gives none.
    renew_at: Option<Instant>,
}

/// The result of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// The credential differs from the one before: the request is worth repeating.
    Renewed,
    /// The credential is the same, or could not be renewed.
    Unchanged,
}

// === impl Credential ===

impl Credential {
    /// Returns the header of the upstream's own credential, or `None` if it has none.
    pub(super) fn own(&self) -> Option<(&'static HeaderName, &HeaderValue)> {
        match self {
            Self::Own(CredentialHeader::ApiKey, value) => Some((&X_API_KEY, value)),
            Self::Own(CredentialHeader::Bearer, value) => Some((&BEARER, value)),
            Self::None | Self::Callers => None,
        }
    }

    /// Returns whether another credential has the same value.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.own() == other.own()
    }

    /// Returns whether the caller's credential in this header is sent unchanged.
    pub(super) fn passes(&self, name: &str) -> bool {
        matches!(self, Self::Callers) && is_callers_credential(name)
    }
}

// === impl CredentialStore ===

impl CredentialStore {
    /// Reads the credential for the first time. Blocks for as long as a command takes.
    ///
    /// # Errors
    ///
    /// The credential cannot be read.
    pub(crate) fn try_open(
        upstream: &str,
        config: Option<&config::Credential>,
        identity: Option<config::Identity>,
    ) -> Result<Self, String> {
        let access = match config {
            None => match identity {
                Some(identity) => Access::Leased(Box::new(Leased::try_open(identity)?)),
                None => Access::Nothing,
            },
            Some(config::Credential::Client) => Access::Callers,
            Some(config::Credential::Own(config)) => {
                let own = Own {
                    config: config.clone(),
                    current: ArcSwapOption::empty(),
                    wanted: Notify::new(),
                    ended: watch::Sender::new(0),
                };
                match &own.config.source {
                    CredentialSource::Command(command) => {
                        own.store(&command::run_blocking(upstream, command)?, command)?;
                    }
                    CredentialSource::Env(_) | CredentialSource::File(_) => own.reread()?,
                }
                Access::Own(Box::new(own))
            }
        };
        Ok(Self { access })
    }

    /// Reads the credential again after a reload of the configuration. A command is run in the background.
    ///
    /// # Errors
    ///
    /// The credential cannot be read; the one in use stays.
    pub(crate) fn reread(&self) -> Result<(), String> {
        match &self.access {
            Access::Nothing | Access::Callers => Ok(()),
            Access::Own(own) => own.reread(),
            Access::Leased(leased) => leased.reread(),
        }
    }

    /// Returns the credential in use.
    pub(crate) fn current(&self) -> Credential {
        match &self.access {
            // The dialect's credential is part of the request itself.
            Access::Nothing | Access::Leased(_) => Credential::None,
            Access::Callers => Credential::Callers,
            Access::Own(own) => own.value().map_or(Credential::None, |value| {
                Credential::Own(own.config.header, value)
            }),
        }
    }

    /// Returns whether the upstream is sent the caller's own credential.
    pub(crate) fn is_callers(&self) -> bool {
        matches!(self.access, Access::Callers)
    }

    /// Renews the credential after the upstream refused the one in use.
    pub(crate) async fn renew(&self) -> Renewal {
        match &self.access {
            Access::Nothing | Access::Callers => Renewal::Unchanged,
            Access::Own(own) => own.renew().await,
            Access::Leased(leased) => Box::pin(leased.renew()).await,
        }
    }

    /// Waits for a credential of the cloud, if there is none that is valid. Returns `None` for an upstream that is known by no such one.
    ///
    /// # Errors
    ///
    /// There is none, and the reason.
    pub(super) async fn leased(&self) -> Result<Option<Arc<Held>>, String> {
        match &self.access {
            Access::Nothing | Access::Callers | Access::Own(_) => Ok(None),
            Access::Leased(leased) => leased.ready().await.map(Some),
        }
    }

    /// Gets a credential of the cloud now, for a caller without the task that keeps it fresh.
    ///
    /// # Errors
    ///
    /// There is none, and the reason.
    pub(super) async fn find(&self, ask: AskEndpoint) -> Result<(), String> {
        match &self.access {
            Access::Nothing | Access::Callers | Access::Own(_) => Ok(()),
            Access::Leased(leased) => leased.find(ask).await.map(drop),
        }
    }

    /// Returns the state of the credential of a cloud, or `None` for an upstream that is known by no such one.
    pub(super) fn lease_status(&self) -> Option<LeaseStatus> {
        match &self.access {
            Access::Nothing | Access::Callers | Access::Own(_) => None,
            Access::Leased(leased) => Some(leased.status()),
        }
    }

    /// Renews the credential before it expires, forever. What an endpoint of a cloud gives is got by `ask`.
    pub(crate) async fn keep_fresh(&self, upstream: &str, ask: AskEndpoint) {
        match &self.access {
            Access::Nothing | Access::Callers => {}
            Access::Own(own) => {
                if let CredentialSource::Command(command) = &own.config.source {
                    own.keep_fresh(upstream, command).await;
                }
            }
            Access::Leased(leased) => leased.keep_fresh(upstream, ask).await,
        }
    }

    /// Returns whether [`CredentialStore::keep_fresh`] has anything to do.
    pub(crate) fn expires(&self) -> bool {
        match &self.access {
            Access::Nothing | Access::Callers => false,
            Access::Own(own) => matches!(own.config.source, CredentialSource::Command(_)),
            Access::Leased(_) => true,
        }
    }
}

// === impl Own ===

impl Own {
    fn value(&self) -> Option<Arc<HeaderValue>> {
        Some(Arc::clone(&self.current.load().as_ref()?.value))
    }

    fn set(&self, value: HeaderValue, renew_at: Option<Instant>) {
        let value = Arc::new(value);
        self.current
            .store(Some(Arc::new(Current { value, renew_at })));
    }

    fn reread(&self) -> Result<(), String> {
        match self.config.read() {
            Some(value) => self.set(value?, None),
            None => self.wanted.notify_one(),
        }
        Ok(())
    }

    /// Stores the output of a command.
    fn store(&self, printed: &command::Printed, command: &CredentialCommand) -> Result<(), String> {
        let value = self.config.header_value(&printed.token)?;
        let lasts = match printed.expires_in {
            Some(left) => {
                (left.saturating_sub(MAX_MARGIN.min(left / 5))).min(Duration::from_secs(86_400))
            }
            None => command.refresh,
        };
        let renew_at = Instant::now() + lasts.max(Duration::from_millis(100));
        self.set(value, Some(renew_at));
        Ok(())
    }

    async fn renew(&self) -> Renewal {
        let before = self.value();
        match &self.config.source {
            CredentialSource::Env(_) => return Renewal::Unchanged,
            CredentialSource::File(_) => self.renew_from_file().await,
            CredentialSource::Command(_) => {
                let mut ended = self.ended.subscribe();
                self.wanted.notify_one();
                // Without the task that keeps it fresh, such as while the gateway stops, no renewal ends.
                let _ = timeout(command::TIMEOUT, ended.changed()).await;
            }
        }
        if self.value() == before {
            Renewal::Unchanged
        } else {
            Renewal::Renewed
        }
    }

    async fn renew_from_file(&self) {
        let config = self.config.clone();
        let read = tokio::task::spawn_blocking(move || config.read()).await;
        // A file that cannot be read is reported by the reload that follows its change.
        if let Ok(Some(Ok(value))) = read {
            self.set(value, None);
        }
    }

    async fn keep_fresh(&self, upstream: &str, command: &CredentialCommand) {
        let mut failures = 0_u32;
        let mut last = Instant::now();
        let mut asked: Option<Instant> = None;
        loop {
            let due = match failures {
                0 => self
                    .current
                    .load()
                    .as_ref()
                    .and_then(|current| current.renew_at),
                _ => Some(last + Duration::from_secs(1 << failures.min(6)).min(MAX_RETRY_WAIT)),
            };
            let due = due.unwrap_or_else(|| last + command.refresh);
            tokio::select! {
                () = sleep_until(due.into()) => {}
                () = self.wanted.notified() => {
                    if asked.is_some_and(|asked| asked.elapsed() < MIN_PAUSE) {
                        self.ended.send_modify(|ended| *ended += 1);
                        continue;
                    }
                    asked = Some(Instant::now());
                }
            }
            let printed = command::run(upstream, command).await;
            last = Instant::now();
            match printed.and_then(|printed| self.store(&printed, command)) {
                Ok(()) => {
                    failures = 0;
                    tracing::info!(upstream, "the upstream's credential was renewed");
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    tracing::error!(
                        upstream,
                        error,
                        "the upstream's credential could not be renewed; the current one stays in use"
                    );
                }
            }
            self.ended.send_modify(|ended| *ended += 1);
        }
    }
}
