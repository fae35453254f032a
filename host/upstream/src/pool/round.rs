//! One attempt at a pool: a request that is sent with one credential after another, each at most once.
//!
//! A 429 with a time is about the credential. A 429 without one, a 401 and a 403 may be about the request: they are held
//! against a credential once another one was served with the same request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::book::{Nothing, Pick};
use super::reading::Reading;
use super::standing::{Sentence, Shut};
use super::tried::Tried;
use super::wish::{Among, Wish};
use super::{CredentialPool, Member};
use crate::credential::{Credential, Renewal};

/// An attempt at a pool.
pub(crate) struct Round<'a> {
    pool: &'a CredentialPool,
    wish: &'a Wish,
    tried: Tried,
    renewed: Tried,
    doubtful: Vec<Doubtful>,
    /// The credential that the session had before the attempt.
    place: Option<usize>,
}

/// A refusal that may be for the sake of the request.
struct Doubtful {
    pick: Pick,
    status: u16,
    shown: Credential,
}

/// A credential for one request, which counts as under way until it is answered or dropped.
pub(crate) struct Lease<'a> {
    pool: &'a CredentialPool,
    member: &'a Arc<Member>,
    pick: Pick,
    pub(crate) shown: Credential,
    is_open: bool,
}

/// What follows an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The answer is for the caller.
    Stands,
    /// The request is to be sent with another credential.
    Another,
    /// All credentials are at their limits, for so long if that is known.
    Exhausted(Option<Duration>),
}

// === impl Round ===

impl<'a> Round<'a> {
    pub(crate) fn new(pool: &'a CredentialPool, wish: &'a Wish) -> Self {
        Self {
            pool,
            wish,
            tried: Tried::default(),
            renewed: Tried::default(),
            doubtful: Vec::new(),
            place: None,
        }
    }

    /// Takes the credential to send with.
    ///
    /// # Errors
    ///
    /// None takes the request now. The time until one does, if it is known.
    pub(crate) fn take(&mut self) -> Result<Lease<'a>, Option<Duration>> {
        let pool = self.pool;
        pool.look_for_renewed();
        let chosen = pool
            .book
            .lock()
            .choose(self.wish, self.tried, Instant::now());
        let pick = chosen.map_err(|nothing| nothing.wait)?;
        let member = pool.members.get(pick.credential).ok_or(None)?;
        self.place = self.place.or(pick.moved_from);
        Ok(Lease {
            pool,
            member,
            pick,
            shown: member.store.current(),
            is_open: true,
        })
    }

    /// Learns from an answer. `reading` is what its headers say.
    pub(crate) fn answered(
        &mut self,
        mut lease: Lease<'a>,
        status: u16,
        reading: &Reading,
    ) -> Next {
        let now = Instant::now();
        lease.is_open = false;
        let (pool, pick) = (self.pool, lease.pick);
        self.tried.insert(pick.credential);
        let sentence = pool.book.lock().answered(pick, status, reading, now);
        match sentence {
            Sentence::Served => {
                if (200..300).contains(&status) {
                    self.convict(now);
                }
                Next::Stands
            }
            Sentence::Limited => self
                .another(now)
                .unwrap_or_else(|nothing| Next::Exhausted(nothing.wait)),
            Sentence::Doubtful => {
                self.doubtful.push(Doubtful {
                    pick,
                    status,
                    shown: lease.shown.clone(),
                });
                self.another(now)
                    .unwrap_or_else(|nothing| match nothing.why {
                        // The others are known to be good, and will be free again.
                        Some(Shut::Cooling | Shut::Exhausted) if status == 401 => {
                            Next::Exhausted(nothing.wait)
                        }
                        _ => {
                            self.acquit(now);
                            Next::Stands
                        }
                    })
            }
        }
    }

    /// Renews a credential after a 401, once in an attempt. Returns whether the request is to be sent with it again.
    pub(crate) async fn renews(&mut self, lease: &Lease<'a>) -> bool {
        let credential = lease.pick.credential;
        if self.renewed.contains(credential) {
            return false;
        }
        self.renewed.insert(credential);
        lease.member.store.renew().await == Renewal::Renewed
    }

    fn another(&self, now: Instant) -> Result<Next, Nothing> {
        let book = self.pool.book.lock();
        if book.has_another(self.wish, self.tried, now) {
            Ok(Next::Another)
        } else {
            Err(book.nothing(self.wish, now))
        }
    }

    /// Holds refusals against their credentials, because another one was served.
    fn convict(&mut self, now: Instant) {
        for Doubtful {
            pick,
            status,
            shown,
        } in self.doubtful.drain(..)
        {
            let is_news = self.pool.book.lock().convict(pick, status, now);
            let Some(member) = self.pool.members.get(pick.credential) else {
                continue;
            };
            if status != 429 {
                *member.refused.lock() = Some(shown);
            }
            if !is_news {
                continue;
            }
            let credential = &*member.name;
            match status {
                401 => {
                    tracing::warn!(
                        credential,
                        status,
                        "the upstream refuses a credential of the pool: it is not used until it is renewed or the configuration is read again"
                    );
                }
                403 => {
                    tracing::warn!(
                        credential,
                        status,
                        "the upstream refuses a credential of the pool what it gives another: it is not used for five minutes"
                    );
                }
                _ => {
                    tracing::debug!(
                        credential,
                        status,
                        "a credential of the pool is limited, and the upstream does not say for how long"
                    );
                }
            }
        }
    }

    /// Forgets refusals that were for the sake of the request: every credential was refused. The session stays where it was.
    fn acquit(&mut self, now: Instant) {
        self.doubtful.clear();
        if let (Among::All, Some(affinity), Some(place)) =
            (self.wish.among, self.wish.affinity, self.place)
        {
            self.pool.book.lock().put_back(affinity, place, now);
        }
    }
}

// === impl Lease ===

impl Lease<'_> {
    /// Returns the name of the credential.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.member.name
    }

    /// Returns the name of the credential that the session had before, if it was another one.
    pub(crate) fn moved_from(&self) -> Option<&Arc<str>> {
        let from = self.pool.members.get(self.pick.moved_from?)?;
        Some(&from.name)
    }

    /// Returns what the credential is now: it may have been renewed.
    pub(crate) fn refresh(&mut self) {
        self.shown = self.member.store.current();
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.pool.book.lock().give_up(self.pick);
        }
    }
}
