//! The circuit breaker of an upstream: one that fails is left alone for a while, and then tried with one request.
//!
//! It opens after so many failures in a row, or when that share of the last minute's requests failed. It stays open for a
//! time that doubles with each failed trial, drawn with jitter so that gateways which saw the same outage don't try
//! together. Only what is the upstream's fault counts: no connection, no answer in time, 5xx. An upstream that says that
//! it is busy (429, 529) answers, and is alive. Time is an argument.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::Rng;

use super::window::Window;
use crate::config::BreakerPolicy;

/// Requests of the last minute below which the share of failures says nothing.
const ENOUGH: u64 = 20;

/// The breaker of one upstream.
#[derive(Debug)]
pub(crate) struct Breaker {
    policy: BreakerPolicy,
    /// Whether the lock has to be asked: false while the upstream behaves, which is the path of every request.
    alert: AtomicBool,
    in_a_row: AtomicU32,
    /// Requests and failures since it last closed.
    minute: Window<6>,
    open: Mutex<Option<Open>>,
}

#[derive(Debug, Clone)]
struct Open {
    why: Why,
    since: Instant,
    until: Instant,
    lasts: Duration,
    on_trial: bool,
}

/// What opened a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Why {
    /// Nothing but failures.
    #[error("{0} failures in a row")]
    InARow(u32),
    /// Too many failures.
    #[error("{failed} of {of} requests failed within a minute")]
    Share {
        /// Failures of the last minute.
        failed: u64,
        /// Requests of the last minute.
        of: u64,
    },
}

/// Leave to send one request; it has to be given back in one of three ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// One of many.
    Plain,
    /// The one that decides whether the breaker closes.
    Trial,
}

/// An open breaker, as it is seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opened {
    /// What opened it.
    pub(crate) why: Why,
    /// When it opened.
    pub(crate) since: Instant,
    /// Time until the next trial; zero when it is due or under way.
    pub(crate) left: Duration,
    /// Whether a trial is under way.
    pub(crate) on_trial: bool,
}

// === impl Breaker ===

impl Breaker {
    pub(crate) fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            alert: AtomicBool::new(false),
            in_a_row: AtomicU32::new(0),
            minute: Window::new(Duration::from_secs(10)),
            open: Mutex::new(None),
        }
    }

    /// Asks for leave to send a request.
    ///
    /// # Errors
    ///
    /// It is open, or another request is the trial.
    pub(crate) fn enter(&self, now: Instant) -> Result<Leave, Opened> {
        if !self.alert.load(Ordering::Acquire) {
            return Ok(Leave::Plain);
        }
        let mut open = self.lock();
        let Some(record) = open.as_mut() else {
            return Ok(Leave::Plain);
        };
        if now < record.until || record.on_trial {
            return Err(record.seen(now));
        }
        record.on_trial = true;
        Ok(Leave::Trial)
    }

    /// The upstream answered.
    pub(crate) fn answered(&self, leave: Leave, now: Instant) {
        if self.in_a_row.load(Ordering::Relaxed) != 0 {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
        if leave == Leave::Trial {
            let mut open = self.lock();
            *open = None;
            self.minute.clear();
            self.alert.store(false, Ordering::Release);
        }
        self.minute.add(now, 1, 0);
    }

    /// The upstream failed. Says what opened the breaker, if this did.
    pub(crate) fn failed(&self, leave: Leave, now: Instant) -> Option<Opened> {
        let in_a_row = self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        self.minute.add(now, 1, 1);
        let mut open = self.lock();
        if let Some(record) = open.as_mut() {
            // A request that began before it opened says nothing new; the trial does.
            if leave == Leave::Plain {
                return None;
            }
            record.on_trial = false;
            record.lasts = record.lasts.saturating_mul(2).min(self.policy.max_open);
            record.until = now + jittered(record.lasts);
            return Some(record.seen(now));
        }
        let (of, failed) = self.minute.sum(now);
        let share =
            failed.saturating_mul(100) >= of.saturating_mul(self.policy.error_percent.into());
        let why = if in_a_row >= self.policy.failures.get() {
            Why::InARow(in_a_row)
        } else if of >= ENOUGH && share {
            Why::Share { failed, of }
        } else {
            return None;
        };
        let lasts = self.policy.open;
        let record = Open {
            why,
            since: now,
            until: now + jittered(lasts),
            lasts,
            on_trial: false,
        };
        let seen = record.seen(now);
        *open = Some(record);
        self.alert.store(true, Ordering::Release);
        Some(seen)
    }

    /// Nothing was learned: the client went away before the upstream could answer.
    pub(crate) fn unused(&self, leave: Leave) {
        if leave == Leave::Trial
            && let Some(record) = self.lock().as_mut()
        {
            record.on_trial = false;
        }
    }

    /// What is to be seen of it while it is open; none while it is closed.
    pub(crate) fn opened(&self, now: Instant) -> Option<Opened> {
        if !self.alert.load(Ordering::Acquire) {
            return None;
        }
        self.lock().as_ref().map(|record| record.seen(now))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        // The record is whole between any two statements, whoever panicked.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Between a half of the time and the whole of it.
fn jittered(lasts: Duration) -> Duration {
    let half = lasts / 2;
    let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
    half + Duration::from_nanos(rand::thread_rng().gen_range(0..=nanos))
}

// === impl Open ===

impl Open {
    fn seen(&self, now: Instant) -> Opened {
        Opened {
            why: self.why,
            since: self.since,
            left: self.until.saturating_duration_since(now),
            on_trial: self.on_trial,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> (Breaker, Instant) {
        (
            Breaker::new(BreakerPolicy::default()),
            Instant::now() + 600 * SECOND,
        )
    }

    fn fail(breaker: &Breaker, now: Instant) -> Option<Opened> {
        breaker.failed(Leave::Plain, now)
    }

    fn open(breaker: &Breaker, now: Instant) {
        (0..4).for_each(|_| assert_eq!(fail(breaker, now), None, "four are forgiven"));
        let opened = fail(breaker, now).expect("five are not");
        assert_eq!(opened.why, Why::InARow(5), "and it says why");
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_between_them_does_not_let_them_add_up() {
        let (breaker, now) = breaker();
        for _ in 0..3 {
            (0..4).for_each(|_| assert_eq!(fail(&breaker, now), None, "four in a row"));
            (0..8).for_each(|_| breaker.answered(Leave::Plain, now));
        }
        assert_eq!(breaker.enter(now), Ok(Leave::Plain), "it is closed");
        open(&breaker, now);
        let closed = breaker.enter(now).expect_err("it is open");
        assert!(
            closed.left >= SECOND / 2 && closed.left <= SECOND,
            "for a second at most, with jitter: {:?}",
            closed.left
        );
    }

    #[test]
    fn half_of_a_minutes_requests_open_it_when_they_are_enough() {
        let (breaker, now) = breaker();
        for round in 0..9 {
            assert_eq!(fail(&breaker, now), None, "round {round}");
            breaker.answered(Leave::Plain, now);
        }
        breaker.answered(Leave::Plain, now);
        let opened = fail(&breaker, now).expect("the twentieth request, the tenth failure");
        assert_eq!(
            opened.why,
            Why::Share { failed: 10, of: 20 },
            "and it says why"
        );
    }

    #[test]
    fn one_request_is_the_trial_and_an_answer_closes_it() {
        let (breaker, now) = breaker();
        open(&breaker, now);
        let later = now + SECOND;
        assert_eq!(breaker.enter(later), Ok(Leave::Trial), "the trial");
        assert!(breaker.enter(later).is_err(), "one trial at a time");
        breaker.answered(Leave::Trial, later);
        assert_eq!(breaker.enter(later), Ok(Leave::Plain), "closed");
        assert_eq!(
            fail(&breaker, later),
            None,
            "and the failures before are forgotten"
        );
        assert_eq!(breaker.opened(later), None, "it says so");
    }

    #[test]
    fn a_failed_trial_doubles_the_time_up_to_the_longest() {
        let (breaker, mut now) = breaker();
        open(&breaker, now);
        for seconds in [2, 4, 8, 16, 32, 60, 60] {
            now += breaker.opened(now).expect("open").left;
            assert_eq!(breaker.enter(now), Ok(Leave::Trial), "the trial is due");
            let left = breaker.failed(Leave::Trial, now).expect("open again").left;
            let lasts = seconds * SECOND;
            assert!(left >= lasts / 2 && left <= lasts, "{left:?} of {lasts:?}");
        }
    }

    #[test]
    fn a_trial_that_learned_nothing_is_given_back() {
        let (breaker, now) = breaker();
        open(&breaker, now);
        let later = now + SECOND;
        assert_eq!(breaker.enter(later), Ok(Leave::Trial), "the trial");
        breaker.unused(Leave::Trial);
        assert_eq!(breaker.enter(later), Ok(Leave::Trial), "the next one is");
    }

    #[test]
    fn requests_that_began_before_it_opened_change_nothing() {
        let (breaker, now) = breaker();
        open(&breaker, now);
        assert_eq!(fail(&breaker, now), None, "a late failure");
        breaker.answered(Leave::Plain, now);
        assert!(
            breaker.enter(now).is_err(),
            "nor does a late answer close it"
        );
    }
}
