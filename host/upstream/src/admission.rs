//! Admission: whether an upstream takes a request now.
//!
//! Health checks, `max_in_flight`, and the circuit breaker decide, in this order.

use std::time::{Duration, Instant};

use super::Upstream;
use super::breaker::{Alternative, Change, Opened, Report, Severity, Ticket};
use super::health::Trouble;

/// The kind of admission that a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The health checks, `max_in_flight`, and the breaker decide.
    Required(Alternative),
    /// A health check is always sent. It is not counted, and the breaker does not learn from it.
    HealthCheck,
}

/// A refusal to send a request to an upstream now. Another target may take it; the request itself is fine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the upstream {upstream} is not taking requests now: {reason}")]
pub struct Closed {
    /// The name of the upstream.
    pub upstream: String,
    /// The reason of the refusal.
    pub reason: ClosedReason,
    /// The time until the upstream may take requests again, if that is known.
    pub retry_after: Option<Duration>,
}

/// The reason for which an upstream takes no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClosedReason {
    /// The circuit breaker is open.
    #[error("{}", .0.why)]
    Open(Opened),
    /// The health checks fail.
    #[error("its health checks fail ({0})")]
    Unhealthy(String),
    /// The limit `max_in_flight` is reached.
    #[error("{0} requests are in flight, which is its limit")]
    Full(u32),
}

/// The state of an upstream, as its admission sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All requests are taken.
    Available,
    /// Trials are taken, and more of them as they succeed.
    HalfOpen,
    /// Only requests without an alternative are taken.
    Failing,
    /// The breaker is open.
    Open,
    /// The health checks fail.
    Unhealthy,
    /// The limit `max_in_flight` is reached.
    Full,
}

// === impl Upstream ===

impl Upstream {
    /// Admits a request and counts it in flight, until [`Attempt`](super::attempt::Attempt) is dropped.
    ///
    /// # Errors
    ///
    /// [`Closed`]: the upstream takes no such request now.
    pub(super) fn admit(&self, admission: Admission) -> Result<Ticket, Closed> {
        let alternative = match admission {
            Admission::Required(alternative) => alternative,
            Admission::HealthCheck => return Ok(Ticket::Plain),
        };
        if let Some(unhealthy) = self.health.unhealthy() {
            return Err(self.closed(
                ClosedReason::Unhealthy(unhealthy.why),
                self.check_interval(),
            ));
        }
        let limit = self.max_in_flight();
        if !self.stats.try_enter(limit) {
            return Err(self.closed(ClosedReason::Full(limit), Some(Duration::from_secs(1))));
        }
        let Some(breaker) = &self.breaker else {
            return Ok(Ticket::Plain);
        };
        breaker
            .enter(alternative, Instant::now())
            .map_err(|opened| {
                self.stats.leave();
                self.closed(ClosedReason::Open(opened), Some(opened.left))
            })
    }

    /// Returns the state of the upstream.
    pub fn state(&self, now: Instant) -> State {
        if self.health.unhealthy().is_some() {
            return State::Unhealthy;
        }
        match self.opened(now) {
            Some(opened) if opened.left.is_zero() => State::HalfOpen,
            Some(opened) => match opened.severity {
                Severity::Failing => State::Failing,
                Severity::Down => State::Open,
            },
            None if self.stats.in_flight() >= self.max_in_flight() => State::Full,
            None => State::Available,
        }
    }

    /// Returns whether the upstream would take a request with or without an alternative.
    pub fn takes(&self, alternative: Alternative, now: Instant) -> bool {
        let last_resort = alternative == Alternative::None;
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

    /// Returns the state of the breaker, or `None` while it is closed.
    pub fn opened(&self, now: Instant) -> Option<Opened> {
        self.breaker.as_ref()?.opened(now)
    }

    /// Returns the trouble that keeps requests away, or `None` if the upstream is fine.
    pub fn trouble(&self, now: Instant) -> Option<Trouble> {
        let open = || {
            self.opened(now).map(|opened| Trouble {
                why: opened.why.to_string(),
                since: opened.since,
            })
        };
        self.health.unhealthy().or_else(open)
    }

    /// Tells the breaker how a request ended; `None` where that says nothing about the upstream.
    pub(super) fn learn(&self, ticket: Ticket, report: Option<Report>, now: Instant) {
        let Some(breaker) = &self.breaker else {
            return;
        };
        let Some(report) = report else {
            breaker.unused(ticket, now);
            return;
        };
        let name = &self.config.name;
        match breaker.ended(ticket, report, now, &mut rand::thread_rng()) {
            None => {}
            Some(Change::Closed) => {
                tracing::info!(upstream = %name, "the upstream has recovered: its circuit breaker is closed");
            }
            Some(Change::Opened(opened)) => {
                let for_ms = opened.left.as_millis();
                match opened.severity {
                    Severity::Failing => {
                        tracing::warn!(upstream = %name, why = %opened.why, for_ms, "the upstream is failing: it gets only requests that have no other target");
                    }
                    Severity::Down => {
                        tracing::warn!(upstream = %name, why = %opened.why, for_ms, "the upstream is down: its circuit breaker is open");
                    }
                }
            }
        }
    }

    fn max_in_flight(&self) -> u32 {
        let limit = self.config.resilience.max_in_flight;
        limit.map_or(u32::MAX, std::num::NonZeroU32::get)
    }

    fn check_interval(&self) -> Option<Duration> {
        Some(self.config.resilience.health.as_ref()?.interval)
    }

    fn closed(&self, reason: ClosedReason, retry_after: Option<Duration>) -> Closed {
        Closed {
            upstream: self.config.name.clone(),
            reason,
            retry_after,
        }
    }
}

// === impl Closed ===

impl Closed {
    /// Returns the severity of an open breaker, or `None` for another reason.
    pub fn severity(&self) -> Option<Severity> {
        match self.reason {
            ClosedReason::Open(opened) => Some(opened.severity),
            ClosedReason::Unhealthy(_) | ClosedReason::Full(_) => None,
        }
    }
}

// === impl State ===

impl State {
    /// Returns the name for operators and plugins.
    pub fn code(self) -> &'static str {
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
