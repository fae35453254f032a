//! The circuit breaker of an upstream, which opens by the share of requests that fail.
//!
//! Consecutive failures say little where many requests are under way, so the breaker opens when `error_percent` of at
//! least `min_requests` within a window have failed. A failing upstream gets no request that another target can take; a
//! request without an alternative is sent all the same. Only where nearly everything fails (`panic_percent`) is the
//! upstream down, and such requests are refused too. The breaker stays open for a time that doubles with each failed
//! trial and is jittered, so that gateways that saw the same outage do not retry together. Then a [`Ramp`] lets
//! requests in: first one, then more with each successful round.
//!
//! Only failures of the upstream count: no connection, no answer within its own limits, 5xx. An upstream that reports
//! overload (429, 529) answers, and so is alive. Time and randomness are arguments.

mod ramp;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::Rng;

use self::ramp::{Ramp, Step};
use super::window::Window;
use crate::config::BreakerPolicy;

/// The number of parts of the window, each of which is forgotten as a whole.
const SLOTS: usize = 10;

/// The breaker of one upstream.
#[derive(Debug)]
pub(crate) struct Breaker {
    policy: BreakerPolicy,
    /// A flag that spares requests the lock: `false` while the breaker is closed.
    alert: AtomicBool,
    /// Requests that began, and those among them without an outcome. If only outcomes were counted, an upstream that
    /// fails fast and answers slowly would look broken.
    begun: Window<SLOTS>,
    /// Requests that ended, and failures among them.
    ended: Window<SLOTS>,
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    severity: Severity,
    why: Why,
    since: Instant,
    /// The time at which the ramp begins.
    until: Instant,
    lasts: Duration,
    ramp: Ramp,
}

/// The severity of an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Requests with an alternative go elsewhere; others are sent.
    Failing,
    /// Nearly everything fails: only trials are sent.
    Down,
}

/// The cause for which a breaker opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} of {} requests failed within {within:?}", .tally.failed, .tally.of)]
pub(crate) struct Why {
    /// The requests in the window.
    pub(crate) tally: Tally,
    /// The length of the window.
    pub(crate) within: Duration,
}

/// A number of requests and of failures among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Requests.
    pub(crate) of: u64,
    /// Failures.
    pub(crate) failed: u64,
}

/// The alternative of a request that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alternative {
    /// A target that can take it.
    Available,
    /// No target can take it.
    None,
}

/// A permission to send one request. It has to be given back, with or without a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ticket {
    /// An ordinary request.
    Plain,
    /// A trial of the ramp of this number.
    Trial(u64),
}

/// The report on a request that was admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    /// The upstream answered.
    Success,
    /// The request failed.
    Failure,
    /// The request failed after a report of success.
    LateFailure,
}

/// The change that a report caused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The breaker opened, stays open for longer, or became stricter.
    Opened(Opened),
    /// The breaker closed.
    Closed,
}

/// The public state of an open breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The severity of the outage.
    pub(crate) severity: Severity,
    /// The cause.
    pub(crate) why: Why,
    /// The time at which the breaker opened.
    pub(crate) since: Instant,
    /// Time until trials are let in; zero once they are.
    pub left: Duration,
    /// A trial can be admitted now.
    pub(crate) has_room: bool,
}

// === impl Breaker ===

impl Breaker {
    pub(crate) fn new(policy: BreakerPolicy) -> Self {
        let slots = u32::try_from(SLOTS).unwrap_or(1);
        let period = policy.window / slots;
        Self {
            policy,
            alert: AtomicBool::new(false),
            begun: Window::new(period),
            ended: Window::new(period),
            open: Mutex::new(None),
        }
    }

    /// Asks for permission to send a request.
    ///
    /// # Errors
    ///
    /// The breaker is open to such a request.
    pub(crate) fn enter(&self, alternative: Alternative, now: Instant) -> Result<Ticket, Opened> {
        let ticket = self.ticket(alternative, now)?;
        self.begun.add(now, 1, 0);
        Ok(ticket)
    }

    fn ticket(&self, alternative: Alternative, now: Instant) -> Result<Ticket, Opened> {
        if !self.alert.load(Ordering::Acquire) {
            return Ok(Ticket::Plain);
        }
        let mut open = self.open.lock();
        let Some(record) = open.as_mut() else {
            return Ok(Ticket::Plain);
        };
        if now >= record.until
            && let Some(trial) = record.ramp.enter(now, record.lasts)
        {
            return Ok(trial);
        }
        if record.sends(alternative) {
            return Ok(Ticket::Plain);
        }
        Err(record.seen(now))
    }

    /// Takes a permission back with a report. Returns the change that it caused, if any.
    pub(crate) fn ended(
        &self,
        ticket: Ticket,
        report: Report,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<Change> {
        let (of, failed) = match report {
            Report::Success => (1, 0),
            Report::Failure => (1, 1),
            Report::LateFailure => (0, 1),
        };
        self.ended.add(now, of, failed);
        if report == Report::Success && !self.alert.load(Ordering::Acquire) {
            return None;
        }

        let mut open = self.open.lock();
        let Some(record) = open.as_mut() else {
            let opened = self.judge(now, rng)?;
            let seen = opened.seen(now);
            *open = Some(opened);
            self.alert.store(true, Ordering::Release);
            return Some(Change::Opened(seen));
        };
        let step = match ticket {
            Ticket::Trial(number) if record.ramp.is(number) => {
                let percent = self.percent(record.severity);
                record.ramp.ended(report, percent, &self.policy, now)
            }
            // Sent for lack of an alternative, or before the breaker opened.
            Ticket::Plain | Ticket::Trial(_) => return self.reconsider(&mut open, now, rng),
        };
        match step {
            Step::On => None,
            Step::Failed => {
                record.lasts = record.lasts.saturating_mul(2).min(self.policy.max_open);
                record.wait(now, rng);
                Some(Change::Opened(record.seen(now)))
            }
            Step::Over(tally) if tally.reaches(self.policy.error_percent) => {
                record.severity = Severity::Failing;
                record.why = self.why(tally);
                record.wait(now, rng);
                Some(Change::Opened(record.seen(now)))
            }
            Step::Over(_) => Some(self.close(&mut open)),
        }
    }

    /// Takes a permission back without a report: something other than the upstream ended the request.
    pub(crate) fn unused(&self, ticket: Ticket, now: Instant) {
        self.begun.add(now, 0, 1);
        if let Ticket::Trial(number) = ticket
            && let Some(record) = self.open.lock().as_mut()
            && record.ramp.is(number)
        {
            record.ramp.unused();
        }
    }

    /// Returns the public state, or `None` while the breaker is closed.
    pub(crate) fn opened(&self, now: Instant) -> Option<Opened> {
        if !self.alert.load(Ordering::Acquire) {
            return None;
        }
        self.open.lock().as_ref().map(|record| record.seen(now))
    }

    /// Opens the breaker if the window calls for it.
    fn judge(&self, now: Instant, rng: &mut impl Rng) -> Option<Open> {
        let tally = self.tally(now)?;
        if !tally.reaches(self.policy.error_percent) {
            return None;
        }
        let mut open = Open {
            severity: self.severity(tally),
            why: self.why(tally),
            since: now,
            until: now,
            lasts: self.policy.open,
            ramp: Ramp::default(),
        };
        open.wait(now, rng);
        Some(open)
    }

    /// Reassesses an open breaker by the window.
    fn reconsider(
        &self,
        open: &mut Option<Open>,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<Change> {
        let record = open.as_mut()?;
        let tally = self.tally(now)?;
        // Half of the share that opens the breaker, so that it does not flap.
        if !tally.reaches(self.policy.error_percent.div_ceil(2)) {
            return Some(self.close(open));
        }
        let severity = self.severity(tally);
        if severity == record.severity {
            return None;
        }
        record.severity = severity;
        record.why = self.why(tally);
        if severity == Severity::Down {
            record.wait(now, rng);
        }
        Some(Change::Opened(record.seen(now)))
    }

    fn close(&self, open: &mut Option<Open>) -> Change {
        *open = None;
        self.begun.clear();
        self.ended.clear();
        self.alert.store(false, Ordering::Release);
        Change::Closed
    }

    /// Returns the requests in the window, or `None` if they are too few to judge by.
    fn tally(&self, now: Instant) -> Option<Tally> {
        let (begun, unused) = self.begun.sum(now);
        let (ended, failed) = self.ended.sum(now);
        let of = ended.max(begun.saturating_sub(unused));
        (of >= u64::from(self.policy.min_requests.get())).then_some(Tally { of, failed })
    }

    fn severity(&self, tally: Tally) -> Severity {
        if tally.reaches(self.policy.panic_percent) {
            Severity::Down
        } else {
            Severity::Failing
        }
    }

    /// Returns the share of failures at which a ramp fails.
    fn percent(&self, severity: Severity) -> u32 {
        match severity {
            Severity::Failing => self.policy.error_percent,
            Severity::Down => self.policy.panic_percent,
        }
    }

    fn why(&self, tally: Tally) -> Why {
        Why {
            tally,
            within: self.policy.window,
        }
    }
}

/// Returns a random time between half of `lasts` and the whole.
fn jittered(lasts: Duration, rng: &mut impl Rng) -> Duration {
    let half = lasts / 2;
    let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
    half + Duration::from_nanos(rng.gen_range(0..=nanos))
}

// === impl Open ===

impl Open {
    /// Refuses everything for a while, and starts a new ramp after it.
    fn wait(&mut self, now: Instant, rng: &mut impl Rng) {
        self.until = now + jittered(self.lasts, rng);
        self.ramp = self.ramp.next();
    }

    /// Returns whether a request is sent without being a trial.
    fn sends(&self, alternative: Alternative) -> bool {
        self.severity == Severity::Failing && alternative == Alternative::None
    }

    fn seen(&self, now: Instant) -> Opened {
        let left = self.until.saturating_duration_since(now);
        Opened {
            severity: self.severity,
            why: self.why,
            since: self.since,
            left,
            has_room: left.is_zero() && self.ramp.has_room(now, self.lasts),
        }
    }
}

// === impl Tally ===

impl Tally {
    /// Returns whether this percentage failed.
    fn reaches(self, percent: u32) -> bool {
        self.failed.saturating_mul(100) >= self.of.saturating_mul(percent.into())
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
