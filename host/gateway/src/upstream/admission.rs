//! Whether an upstream takes a request now: its health checks, its limit and its circuit breaker, asked in this order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Upstream;
use super::breaker::{Leave, Opened, Why};
use super::health::Trouble;
use super::stats::{Ended, InFlight};

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
    #[error("{0}")]
    Open(Why),
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
    /// It takes one request as a trial, or has it already.
    HalfOpen,
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
    pub(crate) fn admit(self: &Arc<Self>) -> Result<InFlight, Closed> {
        let now = Instant::now();
        if let Some(unhealthy) = self.health.unhealthy() {
            return Err(self.closed(Reason::Unhealthy(unhealthy.why), self.check_interval()));
        }
        let most = self.most();
        let entered = InFlight::try_enter(Arc::clone(self), most)
            .ok_or_else(|| self.closed(Reason::Full(most), Some(Duration::from_secs(1))))?;
        match self.breaker.as_ref().map(|breaker| breaker.enter(now)) {
            None => Ok(entered),
            Some(Ok(leave)) => Ok(entered.with(leave)),
            Some(Err(opened)) => {
                entered.refuse();
                Err(self.closed(Reason::Open(opened.why), Some(opened.left)))
            }
        }
    }

    /// Counts a request in whatever state it is in: for one that has no other place to go.
    #[allow(dead_code, reason = "requests that are bound to one upstream use it")]
    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        InFlight::enter(Arc::clone(self))
    }

    /// What it would say to a request now.
    pub(crate) fn state(&self, now: Instant) -> State {
        if self.health.unhealthy().is_some() {
            return State::Unhealthy;
        }
        match self.opened(now) {
            Some(opened) if opened.on_trial || opened.left.is_zero() => State::HalfOpen,
            Some(_) => State::Open,
            None if self.stats.in_flight() >= self.most() => State::Full,
            None => State::Available,
        }
    }

    /// Whether a request that is sent now has a chance to be taken.
    pub(crate) fn is_available(&self, now: Instant) -> bool {
        match self.state(now) {
            State::Available => true,
            // The trial that nobody has begun yet needs a request.
            State::HalfOpen => self.opened(now).is_none_or(|opened| !opened.on_trial),
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

    /// What the end of a request says about it.
    pub(super) fn learn(&self, leave: Leave, ended: Option<Ended>, now: Instant) {
        let Some(breaker) = &self.breaker else {
            return;
        };
        match ended {
            None => breaker.unused(leave),
            Some(Ended::Well | Ended::Overloaded) => {
                breaker.answered(leave, now);
                if leave == Leave::Trial {
                    tracing::info!(upstream = %self.config.name, "the upstream answers again: its breaker is closed");
                }
            }
            Some(Ended::Badly) => {
                if let Some(opened) = breaker.failed(leave, now) {
                    tracing::warn!(
                        upstream = %self.config.name, why = %opened.why, for_ms = opened.left.as_millis(),
                        "the upstream is left alone: its breaker is open"
                    );
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

// === impl State ===

impl State {
    /// Its name for operators and plugins.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
            Self::Unhealthy => "unhealthy",
            Self::Full => "full",
        }
    }
}
