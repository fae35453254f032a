//! Benches a plugin that faults again and again, so that a request can't make the host crash it for ever.
//!
//! Three faults within ten seconds bench it for a second; each further bench lasts twice as long as the one before,
//! a minute at most. Then one call is the trial: it ends the bench or doubles it. Time is an argument, and is
//! asked only where there is a bench.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Faults within [`WINDOW`] that bench a plugin.
const FAULTS: usize = 3;
/// How long a fault is remembered.
const WINDOW: Duration = Duration::from_secs(10);
/// The first bench.
const FIRST_BENCH: Duration = Duration::from_secs(1);
/// The longest bench.
const LONGEST_BENCH: Duration = Duration::from_secs(60);

/// What repeated faults do to a plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bench {
    /// They bench it for a while, so that it can't hold up live traffic.
    #[default]
    AfterFaults,
    /// Nothing: every call is made. For tools that try each request by itself.
    Never,
}

/// The breaker of one plugin.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    bench: Bench,
    /// Whether the lock has to be asked: false while the plugin behaves, which is the path of every call.
    alert: AtomicBool,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    faults: Vec<Instant>,
    sentence: Option<Sentence>,
}

/// A time on the bench.
#[derive(Clone, Copy, Debug)]
struct Sentence {
    until: Instant,
    lasts: Duration,
    on_trial: bool,
}

/// Leave to make one call. Dropped without a verdict, it gives a trial back.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    breaker: &'a Breaker,
    trial: bool,
}

// === impl Breaker ===

impl Breaker {
    pub(crate) fn new(bench: Bench) -> Self {
        Self {
            bench,
            ..Self::default()
        }
    }

    /// Asks for leave to call. The clock is read where the plugin is benched.
    ///
    /// # Errors
    ///
    /// The time that is left of the bench; zero while another call is the trial.
    pub(crate) fn enter(&self, now: impl FnOnce() -> Instant) -> Result<Pass<'_>, Duration> {
        let mut trial = false;
        if self.alert.load(Ordering::Acquire)
            && let Some(sentence) = &mut self.lock().sentence
        {
            let now = now();
            if now < sentence.until || sentence.on_trial {
                return Err(sentence.until.saturating_duration_since(now));
            }
            sentence.on_trial = true;
            trial = true;
        }
        Ok(Pass {
            breaker: self,
            trial,
        })
    }

    /// Time left of the bench; none when the plugin isn't benched.
    pub(crate) fn benched(&self, now: Instant) -> Option<Duration> {
        let sentence = self.lock().sentence?;
        Some(sentence.until.saturating_duration_since(now))
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        // The record is whole between any two statements, whoever panicked.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Pass ===

impl Pass<'_> {
    /// The call went well.
    pub(crate) fn succeeded(mut self) {
        if std::mem::take(&mut self.trial) {
            let mut record = self.breaker.lock();
            *record = Record::default();
            self.breaker.alert.store(false, Ordering::Release);
        }
    }

    /// The call faulted. Tells whether that benched the plugin.
    pub(crate) fn faulted(mut self, now: Instant) -> Option<Duration> {
        if self.breaker.bench == Bench::Never {
            return None;
        }
        let trial = std::mem::take(&mut self.trial);
        let mut record = self.breaker.lock();
        let lasts = match record.sentence {
            Some(sentence) if trial => (sentence.lasts * 2).min(LONGEST_BENCH),
            // A call that began before the bench: the bench has its length already.
            Some(_) => return None,
            None => {
                record
                    .faults
                    .retain(|at| now.saturating_duration_since(*at) < WINDOW);
                record.faults.push(now);
                if record.faults.len() < FAULTS {
                    return None;
                }
                FIRST_BENCH
            }
        };
        record.faults.clear();
        record.sentence = Some(Sentence {
            until: now + lasts,
            lasts,
            on_trial: false,
        });
        self.breaker.alert.store(true, Ordering::Release);
        Some(lasts)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.trial
            && let Some(sentence) = &mut self.breaker.lock().sentence
        {
            sentence.on_trial = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(breaker: &Breaker, at: Instant) -> Option<Duration> {
        breaker.enter(|| at).expect("the plugin plays").faulted(at)
    }

    fn bench(breaker: &Breaker, at: Instant) {
        assert_eq!(fault(breaker, at), None, "one fault is forgiven");
        assert_eq!(fault(breaker, at), None, "two are");
        assert_eq!(fault(breaker, at), Some(FIRST_BENCH), "three are not");
    }

    #[test]
    fn three_faults_in_ten_seconds_bench_and_three_in_eleven_do_not() {
        let breaker = Breaker::default();
        let start = Instant::now();
        for second in [0, 5, 11, 16, 22] {
            let at = start + Duration::from_secs(second);
            assert_eq!(fault(&breaker, at), None, "never three within ten seconds");
        }
        let at = start + Duration::from_secs(23);
        assert_eq!(fault(&breaker, at), Some(FIRST_BENCH), "now there are");
        assert!(
            breaker.enter(|| at).is_err(),
            "a benched plugin isn't called"
        );
    }

    #[test]
    fn one_call_is_the_trial_and_a_success_ends_the_bench() {
        let breaker = Breaker::default();
        let start = Instant::now();
        bench(&breaker, start);

        let later = start + FIRST_BENCH;
        let trial = breaker.enter(|| later).expect("the trial");
        assert!(breaker.enter(|| later).is_err(), "one trial at a time");
        trial.succeeded();
        assert!(breaker.enter(|| later).is_ok(), "the bench is over");
        assert_eq!(breaker.benched(later), None, "and says so");
    }

    #[test]
    fn a_failed_trial_doubles_the_bench_up_to_a_minute() {
        let breaker = Breaker::default();
        let mut now = Instant::now();
        bench(&breaker, now);
        for seconds in [2, 4, 8, 16, 32, 60, 60] {
            now += breaker.benched(now).expect("benched");
            let lasts = fault(&breaker, now).expect("benched again");
            assert_eq!(lasts, Duration::from_secs(seconds), "twice as long");
        }
    }

    #[test]
    fn a_breaker_that_never_benches_lets_every_call_through() {
        let breaker = Breaker::new(Bench::Never);
        let now = Instant::now();
        for _ in 0..10 {
            assert_eq!(fault(&breaker, now), None, "no fault benches the plugin");
        }
        assert_eq!(breaker.benched(now), None, "it plays");
    }

    #[test]
    fn a_trial_that_never_ran_is_given_back() {
        let breaker = Breaker::default();
        let start = Instant::now();
        bench(&breaker, start);
        let later = start + FIRST_BENCH;
        drop(breaker.enter(|| later).expect("the trial"));
        assert!(
            breaker.enter(|| later).is_ok(),
            "the next call is the trial"
        );
    }
}
