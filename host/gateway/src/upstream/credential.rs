//! The credential of an upstream while it is in use: read, renewed, never shown.
//!
//! A file is read again when it changes, a command is run again before what it printed expires. One that can't be renewed
//! stays in use, because the upstream may still take it. After a 401 a request may ask for a renewal; however many ask,
//! one is made.

mod command;
mod expiry;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep_until, timeout};

use super::Upstream;
use super::kind::Shown;
use crate::config::{
    Credential, CredentialCommand, CredentialHeader, CredentialSource, OwnCredential,
};

/// Least time between two runs of a command that requests ask for, so that an upstream which refuses everything doesn't have it run for each
/// request.
const PAUSE: Duration = Duration::from_secs(5);

/// Longest wait after a run that failed.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long before its end a credential is renewed, at most.
const MARGIN: Duration = Duration::from_secs(60);

/// What one upstream is shown, and where that comes from.
pub(super) struct Vault {
    access: Access,
}

enum Access {
    Nothing,
    Callers,
    Own(Box<Own>),
}

struct Own {
    config: OwnCredential,
    held: ArcSwapOption<Held>,
    /// Somebody wants a renewal.
    wanted: Notify,
    /// Counts the renewals that ended, well or not.
    ended: watch::Sender<u64>,
}

struct Held {
    value: Arc<HeaderValue>,
    /// When it is to be renewed; none when nothing says so.
    renew_at: Option<Instant>,
}

/// What came of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// There is another credential than before: the request is worth another try.
    New,
    /// There is none.
    Same,
}

// === impl Upstream ===

impl Upstream {
    /// What it is shown now.
    pub(crate) fn shown(&self) -> Shown {
        self.credential.shown()
    }

    /// Whether it is shown what the caller brought.
    pub(crate) fn takes_callers_credential(&self) -> bool {
        matches!(self.credential.access, Access::Callers)
    }

    /// Gets a credential anew after the upstream refused the one in use.
    pub(crate) async fn refresh_credential(&self) -> Renewal {
        match &self.credential.access {
            Access::Nothing | Access::Callers => Renewal::Same,
            Access::Own(own) => own.renew().await,
        }
    }

    /// Renews the credential in time, for ever.
    pub(super) async fn keep_credential(&self) {
        if let Access::Own(own) = &self.credential.access
            && let CredentialSource::Command(command) = &own.config.source
        {
            own.keep(&self.config.name, command).await;
        }
    }

    /// Whether [`Upstream::keep_credential`] has anything to do.
    pub(super) fn has_kept_credential(&self) -> bool {
        matches!(&self.credential.access, Access::Own(own) if matches!(own.config.source, CredentialSource::Command(_)))
    }
}

// === impl Vault ===

impl Vault {
    /// Gets the credential for the first time. Blocks for as long as a command takes.
    ///
    /// # Errors
    ///
    /// There is none.
    pub(super) fn try_open(upstream: &str, config: Option<&Credential>) -> Result<Self, String> {
        let access = match config {
            None => Access::Nothing,
            Some(Credential::Client) => Access::Callers,
            Some(Credential::Own(config)) => {
                let own = Own {
                    config: config.clone(),
                    held: ArcSwapOption::empty(),
                    wanted: Notify::new(),
                    ended: watch::Sender::new(0),
                };
                match &own.config.source {
                    CredentialSource::Command(command) => {
                        own.hold(&command::run_blocking(upstream, command)?, command)?;
                    }
                    CredentialSource::Env(_) | CredentialSource::File(_) => own.reread()?,
                }
                Access::Own(Box::new(own))
            }
        };
        Ok(Self { access })
    }

    /// Reads the credential again, for one that was rotated. A command is asked for it in the background.
    ///
    /// # Errors
    ///
    /// It cannot be read; the one in use stays.
    pub(super) fn reread(&self) -> Result<(), String> {
        match &self.access {
            Access::Nothing | Access::Callers => Ok(()),
            Access::Own(own) => own.reread(),
        }
    }

    fn shown(&self) -> Shown {
        match &self.access {
            Access::Nothing => Shown::Nothing,
            Access::Callers => Shown::Callers,
            Access::Own(own) => own.value().map_or(Shown::Nothing, |value| {
                let header: CredentialHeader = own.config.header;
                Shown::Own(header, value)
            }),
        }
    }
}

// === impl Own ===

impl Own {
    fn value(&self) -> Option<Arc<HeaderValue>> {
        Some(Arc::clone(&self.held.load().as_ref()?.value))
    }

    fn reread(&self) -> Result<(), String> {
        match self.config.read() {
            Some(value) => {
                let value = Arc::new(value?);
                self.held.store(Some(Arc::new(Held {
                    value,
                    renew_at: None,
                })));
            }
            None => self.wanted.notify_one(),
        }
        Ok(())
    }

    /// Keeps what a command printed.
    fn hold(&self, printed: &command::Printed, command: &CredentialCommand) -> Result<(), String> {
        let value = Arc::new(self.config.header_value(&printed.token)?);
        let lasts = match printed.expires_in {
            Some(left) => {
                (left.saturating_sub(MARGIN.min(left / 5))).min(Duration::from_secs(86_400))
            }
            None => command.refresh,
        };
        let renew_at = Instant::now() + lasts.max(Duration::from_millis(100));
        self.held.store(Some(Arc::new(Held {
            value,
            renew_at: Some(renew_at),
        })));
        Ok(())
    }

    async fn renew(&self) -> Renewal {
        let before = self.value();
        match &self.config.source {
            CredentialSource::Env(_) => return Renewal::Same,
            CredentialSource::File(_) => self.renew_from_file().await,
            CredentialSource::Command(_) => {
                let mut ended = self.ended.subscribe();
                self.wanted.notify_one();
                // Without somebody who keeps it, for instance while the gateway stops, there is no renewal to wait for.
                let _ = timeout(command::PATIENCE, ended.changed()).await;
            }
        }
        if self.value() == before {
            Renewal::Same
        } else {
            Renewal::New
        }
    }

    async fn renew_from_file(&self) {
        let config = self.config.clone();
        let read = tokio::task::spawn_blocking(move || config.read()).await;
        // One that can't be read now is told about by the reload that follows its change.
        if let Ok(Some(Ok(value))) = read {
            self.held.store(Some(Arc::new(Held {
                value: Arc::new(value),
                renew_at: None,
            })));
        }
    }

    async fn keep(&self, upstream: &str, command: &CredentialCommand) {
        let mut failures = 0_u32;
        let mut last = Instant::now();
        let mut asked: Option<Instant> = None;
        loop {
            let due = match failures {
                0 => self.held.load().as_ref().and_then(|held| held.renew_at),
                _ => Some(last + Duration::from_secs(1 << failures.min(6)).min(LONGEST_WAIT)),
            };
            let due = due.unwrap_or_else(|| last + command.refresh);
            tokio::select! {
                () = sleep_until(due.into()) => {}
                () = self.wanted.notified() => {
                    if asked.is_some_and(|asked| asked.elapsed() < PAUSE) {
                        self.ended.send_modify(|ended| *ended += 1);
                        continue;
                    }
                    asked = Some(Instant::now());
                }
            }
            let printed = command::run(upstream, command).await;
            last = Instant::now();
            match printed.and_then(|printed| self.hold(&printed, command)) {
                Ok(()) => {
                    failures = 0;
                    tracing::info!(upstream, "the upstream's credential was renewed");
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    tracing::error!(
                        upstream,
                        error,
                        "the upstream's credential can't be renewed; the one in use stays"
                    );
                }
            }
            self.ended.send_modify(|ended| *ended += 1);
        }
    }
}
