//! The circuit breaker of an upstream: it judges by the share of requests that fail, and lets a growing share back in.
//!
//! Failures "in a row" say nothing where many requests are under way, so it opens when `error_percent` of at least
//! `min_requests` within a window failed. An upstream that is failing gets no request that another target can take; a
//! request that has no other place to go is sent all the same. Only where nearly everything fails (`panic_percent`) the
//! upstream is down, and such requests are refused too. After a time that doubles with each failed trial, and is drawn with
//! jitter so that gateways which saw the same outage don't try together, a [`Ramp`] lets requests in: first one, then more
//! with each good round.
//!
//! Only what is the upstream's fault counts: no connection, no answer within its own limits, 5xx. An upstream that says
//! that it is busy (429, 529) answers, and is alive. Time and chance are arguments.

mod ramp;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use rand::Rng;

use self::ramp::{Ramp, Step};
use super::window::Window;
use crate::config::BreakerPolicy;

/// Parts of the window, each of which is forgotten as a whole.
const SLOTS: usize = 10;

/// The breaker of one upstream.
#[derive(Debug)]
pub(crate) struct Breaker {
    policy: BreakerPolicy,
    /// Whether the lock has to be asked: false while the upstream behaves, which is the path of every request.
    alert: AtomicBool,
    /// Requests that began, and those of them that taught nothing. An upstream that fails at once and answers slowly would
    /// look broken if only ends were counted.
    begun: Window<SLOTS>,
    /// Requests that ended, and those of them that failed.
    ended: Window<SLOTS>,
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    severity: Severity,
    why: Why,
    since: Instant,
    /// When the ramp begins.
    until: Instant,
    lasts: Duration,
    ramp: Ramp,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Requests that have another place to go go there; others are sent.
    Failing,
    /// Nearly everything fails: nothing is sent but trials.
    Down,
}

/// What opened a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} of {} requests failed within {within:?}", .tally.failed, .tally.of)]
pub(crate) struct Why {
    /// Its requests.
    pub(crate) tally: Tally,
    /// The time that they were counted over.
    pub(crate) within: Duration,
}

/// Requests, and those of them that failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Requests.
    pub(crate) of: u64,
    /// Failures.
    pub(crate) failed: u64,
}

/// Whether a request has another place to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recourse {
    /// Another target can take it.
    Another,
    /// There is none.
    None,
}

/// Leave to send one request; it has to be given back, with or without a word on how it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// One of many.
    Plain,
    /// A part of the ramp of this number.
    Trial(u64),
}

/// How a request that was let in went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// The upstream answered.
    Good,
    /// It failed.
    Bad,
    /// It failed after it had been called good.
    BadAfterAll,
}

/// What a word changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It opened, or is open for longer, or closed to more requests.
    Opened(Opened),
    /// It closed.
    Closed,
}

/// An open breaker, as it is seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opened {
    /// How bad it is.
    pub(crate) severity: Severity,
    /// What opened it.
    pub(crate) why: Why,
    /// When it opened.
    pub(crate) since: Instant,
    /// Time until trials are let in; zero once they are.
    pub(crate) left: Duration,
    /// Whether a trial may be let in now.
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

    /// Asks for leave to send a request.
    ///
    /// # Errors
    ///
    /// It is open to such a request.
    pub(crate) fn enter(&self, recourse: Recourse, now: Instant) -> Result<Leave, Opened> {
        let leave = self.leave(recourse, now)?;
        self.begun.add(now, 1, 0);
        Ok(leave)
    }

    /// Counts a request that is sent in any case.
    pub(crate) fn pass(&self, now: Instant) -> Leave {
        self.begun.add(now, 1, 0);
        Leave::Plain
    }

    fn leave(&self, recourse: Recourse, now: Instant) -> Result<Leave, Opened> {
        if !self.alert.load(Ordering::Acquire) {
            return Ok(Leave::Plain);
        }
        let mut open = self.lock();
        let Some(record) = open.as_mut() else {
            return Ok(Leave::Plain);
        };
        if now >= record.until
            && let Some(trial) = record.ramp.enter(now, record.lasts)
        {
            return Ok(trial);
        }
        if record.sends(recourse) {
            return Ok(Leave::Plain);
        }
        Err(record.seen(now))
    }

    /// Takes a leave back with a word on how the request went. Says what that changed.
    pub(crate) fn ended(
        &self,
        leave: Leave,
        word: Word,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<Change> {
        let (of, failed) = match word {
            Word::Good => (1, 0),
            Word::Bad => (1, 1),
            Word::BadAfterAll => (0, 1),
        };
        self.ended.add(now, of, failed);
        if word == Word::Good && !self.alert.load(Ordering::Acquire) {
            return None;
        }

        let mut open = self.lock();
        let Some(record) = open.as_mut() else {
            let opened = self.judge(now, rng)?;
            let seen = opened.seen(now);
            *open = Some(opened);
            self.alert.store(true, Ordering::Release);
            return Some(Change::Opened(seen));
        };
        let step = match leave {
            Leave::Trial(number) if record.ramp.is(number) => {
                let percent = self.percent(record.severity);
                record.ramp.ended(word, percent, &self.policy, now)
            }
            // Sent because there was nothing else, or before it opened.
            Leave::Plain | Leave::Trial(_) => return self.reconsider(&mut open, now, rng),
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

    /// Takes a leave back: nothing was learned, because somebody else than the upstream ended the request.
    pub(crate) fn unused(&self, leave: Leave, now: Instant) {
        self.begun.add(now, 0, 1);
        if let Leave::Trial(number) = leave
            && let Some(record) = self.lock().as_mut()
            && record.ramp.is(number)
        {
            record.ramp.unused();
        }
    }

    /// What is to be seen of it while it is open; none while it is closed.
    pub(crate) fn opened(&self, now: Instant) -> Option<Opened> {
        if !self.alert.load(Ordering::Acquire) {
            return None;
        }
        self.lock().as_ref().map(|record| record.seen(now))
    }

    /// Opens it, if the window says so.
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

    /// Judges an open one anew by the window.
    fn reconsider(
        &self,
        open: &mut Option<Open>,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<Change> {
        let record = open.as_mut()?;
        let tally = self.tally(now)?;
        // Half of what opens it, so that it does not flutter around that.
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

    /// The window's requests, if they are enough to judge by.
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

    /// The share of failures that a ramp may not reach.
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

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock()
    }
}

/// Between a half of the time and the whole of it.
fn jittered(lasts: Duration, rng: &mut impl Rng) -> Duration {
    let half = lasts / 2;
    let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
    half + Duration::from_nanos(rng.gen_range(0..=nanos))
}

// === impl Open ===

impl Open {
    /// Lets nothing in for a while, and begins a new ramp after it.
    fn wait(&mut self, now: Instant, rng: &mut impl Rng) {
        self.until = now + jittered(self.lasts, rng);
        self.ramp = self.ramp.next();
    }

    /// Whether a request is sent without being a trial.
    fn sends(&self, recourse: Recourse) -> bool {
        self.severity == Severity::Failing && recourse == Recourse::None
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
    /// Whether so many in a hundred failed.
    fn reaches(self, percent: u32) -> bool {
        self.failed.saturating_mul(100) >= self.of.saturating_mul(percent.into())
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
