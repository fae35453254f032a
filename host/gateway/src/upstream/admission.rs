//! Whether an upstream takes a request now: its health checks, its limit and its circuit breaker, asked in this order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Upstream;
use super::breaker::{Change, Leave, Opened, Recourse, Severity, Word};
use super::health::Trouble;
use super::stats::InFlight;

/// An upstream that is not asked now. Another target may be; the request itself is fine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the upstream {upstream} is not asked now: {reason}")]
pub(crate) struct Closed {
    /// The upstream.
    pub(crate) upstream: String,
    /// Why.
    pub(crate) reason: Reason,
    /// When it may be asked again, if that is known.
    pub(crate) retry_after: Option<Duration>,
}

/// Why an upstream is not asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reason {
    /// Its circuit breaker is open.
    #[error("{}", .0.why)]
    Open(Opened),
    /// Its health checks fail.
    #[error("its health checks fail ({0})")]
    Unhealthy(String),
    /// It has as many requests as it may have.
    #[error("{0} requests are there already, which is its limit")]
    Full(u32),
}

/// What an upstream would say to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It takes requests.
    Available,
    /// It takes trials: more of them as they go well.
    HalfOpen,
    /// It takes only requests that have no other place to go.
    Failing,
    /// Its breaker is open.
    Open,
    /// Its health checks fail.
    Unhealthy,
    /// It has as many requests as it may have.
    Full,
}

// === impl Upstream ===

impl Upstream {
    /// Counts a request in, until the guard is told how it ended.
    ///
    /// # Errors
    ///
    /// [`Closed`]: it is to be left alone, or has enough to do.
    pub(crate) fn admit(self: &Arc<Self>, recourse: Recourse) -> Result<InFlight, Closed> {
        let now = Instant::now();
        if let Some(unhealthy) = self.health.unhealthy() {
            return Err(self.closed(Reason::Unhealthy(unhealthy.why), self.check_interval()));
        }
        let most = self.most();
        let entered = InFlight::try_enter(Arc::clone(self), most)
            .ok_or_else(|| self.closed(Reason::Full(most), Some(Duration::from_secs(1))))?;
        match self
            .breaker
            .as_ref()
            .map(|breaker| breaker.enter(recourse, now))
        {
            None => Ok(entered),
            Some(Ok(leave)) => Ok(entered.with(leave)),
            Some(Err(opened)) => {
                entered.refuse();
                Err(self.closed(Reason::Open(opened), Some(opened.left)))
            }
        }
    }

    /// Counts a request in whatever state it is in: for one that is bound to this upstream.
    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        let entered = InFlight::enter(Arc::clone(self));
        match &self.breaker {
            Some(breaker) => entered.with(breaker.pass(Instant::now())),
            None => entered,
        }
    }

    /// What it would say to a request now.
    pub(crate) fn state(&self, now: Instant) -> State {
        if self.health.unhealthy().is_some() {
            return State::Unhealthy;
        }
        match self.opened(now) {
            Some(opened) if opened.left.is_zero() => State::HalfOpen,
            Some(opened) => match opened.severity {
                Severity::Failing => State::Failing,
                Severity::Down => State::Open,
            },
            None if self.stats.in_flight() >= self.most() => State::Full,
            None => State::Available,
        }
    }

    /// Whether it takes a request that could go elsewhere.
    pub(crate) fn is_available(&self, now: Instant) -> bool {
        self.takes(Recourse::Another, now)
    }

    /// Whether it would take such a request now.
    pub(crate) fn takes(&self, recourse: Recourse, now: Instant) -> bool {
        let last_resort = recourse == Recourse::None;
        match self.state(now) {
            State::Available => true,
            // A trial needs a request.
            State::HalfOpen => self.opened(now).is_none_or(|opened| {
                opened.has_room || last_resort && opened.severity == Severity::Failing
            }),
            State::Failing => last_resort,
            State::Open | State::Unhealthy | State::Full => false,
        }
    }

    /// Its breaker while it is open.
    pub(crate) fn opened(&self, now: Instant) -> Option<Opened> {
        self.breaker.as_ref()?.opened(now)
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn trouble(&self, now: Instant) -> Option<Trouble> {
        let open = || {
            self.opened(now).map(|opened| Trouble {
                why: opened.why.to_string(),
                since: opened.since,
            })
        };
        self.health.unhealthy().or_else(open)
    }

    /// Learns from the end of a request; without a word there is nothing to learn.
    pub(super) fn learn(&self, leave: Leave, word: Option<Word>, now: Instant) {
        let Some(breaker) = &self.breaker else {
            return;
        };
        let Some(word) = word else {
            breaker.unused(leave, now);
            return;
        };
        let name = &self.config.name;
        match breaker.ended(leave, word, now, &mut rand::thread_rng()) {
            None => {}
            Some(Change::Closed) => {
                tracing::info!(upstream = %name, "the upstream answers again: its breaker is closed");
            }
            Some(Change::Opened(opened)) => {
                let for_ms = opened.left.as_millis();
                match opened.severity {
                    Severity::Failing => {
                        tracing::warn!(upstream = %name, why = %opened.why, for_ms, "the upstream is failing: it gets only requests that no other target can take");
                    }
                    Severity::Down => {
                        tracing::warn!(upstream = %name, why = %opened.why, for_ms, "the upstream is left alone: its breaker is open");
                    }
                }
            }
        }
    }

    fn most(&self) -> u32 {
        let most = self.config.resilience.max_in_flight;
        most.map_or(u32::MAX, std::num::NonZeroU32::get)
    }

    fn check_interval(&self) -> Option<Duration> {
        Some(self.config.resilience.health.as_ref()?.interval)
    }

    fn closed(&self, reason: Reason, retry_after: Option<Duration>) -> Closed {
        Closed {
            upstream: self.config.name.clone(),
            reason,
            retry_after,
        }
    }
}

// === impl Closed ===

impl Closed {
    /// How bad it is, where the circuit breaker says so.
    pub(crate) fn severity(&self) -> Option<Severity> {
        match self.reason {
            Reason::Open(opened) => Some(opened.severity),
            Reason::Unhealthy(_) | Reason::Full(_) => None,
        }
    }
}

// === impl State ===

impl State {
    /// Its name for operators and plugins.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::HalfOpen => "half-open",
            Self::Failing => "failing",
            Self::Open => "open",
            Self::Unhealthy => "unhealthy",
            Self::Full => "full",
        }
    }
}
