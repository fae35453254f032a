//! A pool: several credentials of one upstream, each with its own limits.
//!
//! [`Round`] is one attempt at it: it gives the credential to send with, learns from the answer, and gives another one if the
//! answer was about the credential. What is kept in memory is bounded by the number of credentials, of models and of
//! sessions. The lock is held for the choice, and never while anything is waited for.

mod book;
mod lane;
mod level;
mod reading;
mod round;
mod standing;
mod status;
mod tried;
mod wish;

#[cfg(test)]
mod simulation;

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use self::book::{Book, Terms};
use crate::config::{self, PooledCredential};
use crate::credential::{Credential, CredentialStore};

pub(crate) use self::reading::Reading;
pub(crate) use self::round::{Next, Round};
pub use self::status::{CredentialState, CredentialStatus, LimitStatus, WindowStatus};
pub(crate) use self::tried::MAX_CREDENTIALS;
pub use self::wish::{Among, Wish};

/// The credentials of one upstream.
pub(crate) struct CredentialPool {
    members: Box<[Arc<Member>]>,
    book: Mutex<Book>,
}

/// A credential of a pool.
pub(crate) struct Member {
    name: Arc<str>,
    config: PooledCredential,
    pub(crate) store: CredentialStore,
    /// The value that the upstream refused, as long as it counts as refused.
    refused: Mutex<Option<Credential>>,
}

/// The secret of a credential that is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secret {
    Same,
    Another,
}

// === impl CredentialPool ===

impl CredentialPool {
    /// Reads the credentials for the first time, except those that the pool before had in the same place: they stay, with
    /// what is known of them.
    ///
    /// # Errors
    ///
    /// A credential cannot be read: the first one, and the reason.
    pub(crate) fn try_open(
        upstream: &str,
        configs: &[PooledCredential],
        before: Option<&Self>,
    ) -> Result<Self, String> {
        let kept = |config: &PooledCredential| {
            let mut members = before.into_iter().flat_map(|before| &before.members);
            members
                .find(|member| member.config.name == config.name && member.config.own == config.own)
        };
        let members = configs.iter().map(|config| {
            if let Some(kept) = kept(config) {
                return Ok(Arc::clone(kept));
            }
            let member = Member::try_open(upstream, config);
            member.map_err(|error| format!("credential {}: {error}", config.name))
        });
        let members: Box<[Arc<Member>]> = members.collect::<Result<_, String>>()?;
        let terms: Vec<Terms> = configs.iter().map(Terms::from).collect();
        let keeps = |name: &str| {
            let config = configs.iter().find(|config| config.name == name);
            config.is_some_and(|config| kept(config).is_some())
        };
        let book = match before {
            Some(before) => before.book.lock().with_terms(terms, keeps),
            None => Book::new(terms),
        };
        let pool = Self {
            members,
            book: Mutex::new(book),
        };
        let members = pool.members.iter().zip(configs).enumerate();
        for (index, (member, _)) in members.filter(|(_, (_, config))| kept(config).is_some()) {
            pool.reread_member(index, member)?;
        }
        Ok(pool)
    }

    /// Reads all credentials again after a reload of the configuration, and tries again those that were refused.
    ///
    /// # Errors
    ///
    /// A credential cannot be read; the one in use stays.
    pub(crate) fn reread(&self) -> Result<(), String> {
        let mut members = self.members.iter().enumerate();
        members.try_for_each(|(index, member)| self.reread_member(index, member))
    }

    fn reread_member(&self, index: usize, member: &Member) -> Result<(), String> {
        let before = member.store.current();
        member
            .store
            .reread()
            .map_err(|error| format!("credential {}: {error}", member.name))?;
        let secret = match before.is_same(&member.store.current()) {
            true => Secret::Same,
            false => Secret::Another,
        };
        self.try_again(index, member, secret);
        Ok(())
    }

    /// Returns the credentials.
    pub(crate) fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// Returns the credential that owns what the upstream keeps.
    pub(crate) fn first(&self) -> Option<&Arc<Member>> {
        self.members.first()
    }

    /// Looks after credentials that were refused: one that has been renewed since is used again.
    fn look_for_renewed(&self) {
        for (index, member) in self.members.iter().enumerate() {
            let is_renewed = {
                let refused = member.refused.lock();
                refused
                    .as_ref()
                    .is_some_and(|refused| !refused.is_same(&member.store.current()))
            };
            if is_renewed {
                self.try_again(index, member, Secret::Another);
            }
        }
    }

    fn try_again(&self, index: usize, member: &Member, secret: Secret) {
        *member.refused.lock() = None;
        let was_refused = match secret {
            Secret::Same => self.book.lock().renewed(index),
            Secret::Another => self.book.lock().replaced(index),
        };
        if was_refused {
            tracing::info!(credential = %member.name, "a credential that was refused is used again");
        }
    }

    /// Returns the state of each credential.
    pub(crate) fn statuses(&self, now: Instant) -> Vec<CredentialStatus> {
        let book = self.book.lock();
        let all = book.iter(now);
        all.map(|(terms, standing, sessions)| CredentialStatus::of(terms, standing, sessions, now))
            .collect()
    }
}

// === impl Member ===

impl Member {
    /// Returns the name.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn try_open(upstream: &str, config: &PooledCredential) -> Result<Arc<Self>, String> {
        let source = config::Credential::Own(config.own.clone());
        Ok(Arc::new(Self {
            name: config.name.as_str().into(),
            config: config.clone(),
            store: CredentialStore::try_open(upstream, Some(&source), None)?,
            refused: Mutex::new(None),
        }))
    }
}

// === impl Terms ===

impl From<&PooledCredential> for Terms {
    fn from(config: &PooledCredential) -> Self {
        Self {
            name: config.name.clone(),
            weight: config.weight.get(),
            soft: config.soft * 10,
            hard: config.hard * 10,
        }
    }
}
