//! The deadline of a call, in processor time, with a bound on wall-clock time.
//!
//! The engine's epochs measure wall-clock time. If there are more runnable threads than cores, a guest would pay for time in
//! which its thread did not run, and since a fault refuses the request, a busy machine would refuse traffic. So the host checks
//! a call halfway through its deadline, and then after each further half: the call ends at the first check that finds the
//! thread to have run for most of the time since the first check, and in any case after [`MAX_WALL_FACTOR`] times the deadline.
//! On an idle machine that is the deadline itself, and up to 30 ms later if the clock was asleep or napping when the call began. A call that ends before the first check pays nothing for this.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::UpdateDeadline;

use crate::epoch::TICK;

/// The maximum wall-clock time of a call, as a multiple of its deadline.
pub(crate) const MAX_WALL_FACTOR: u32 = 10;

/// The deadline of the call that is running in a store.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    half: u64,
    checks: u32,
    /// The processor time of the thread at the first check.
    first: Option<Duration>,
}

// === impl Deadline ===

impl Deadline {
    /// Starts a call. Returns the number of ticks until the first check.
    pub(crate) fn restart(&mut self, limit: Duration) -> u64 {
        *self = Self {
            half: ticks(limit / 2),
            checks: 0,
            first: None,
        };
        // The current tick has already begun.
        self.half.saturating_add(1)
    }

    /// Decides at a check whether the call goes on.
    pub(crate) fn check(&mut self) -> UpdateDeadline {
        self.check_at(thread_time())
    }

    fn check_at(&mut self, now: Duration) -> UpdateDeadline {
        self.checks += 1;
        let Some(first) = self.first else {
            self.first = Some(now);
            return UpdateDeadline::Continue(self.half);
        };
        let half = TICK.saturating_mul(u32::try_from(self.half).unwrap_or(u32::MAX));
        // Most of it, not all, because waiting for a core does not count.
        let ran = now.saturating_sub(first) >= half / 4 * 3;
        if ran || self.checks >= 2 * MAX_WALL_FACTOR {
            UpdateDeadline::Interrupt
        } else {
            UpdateDeadline::Continue(self.half)
        }
    }
}

fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(TICK.as_nanos()))
        .unwrap_or(u64::MAX / 4)
        .max(1)
}

/// Returns the processor time of this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(verdict: &UpdateDeadline) -> bool {
        matches!(verdict, UpdateDeadline::Interrupt)
    }

    #[test]
    fn a_call_that_ran_all_the_time_ends_at_its_deadline() {
        let mut deadline = Deadline::default();
        assert_eq!(
            deadline.restart(Duration::from_millis(10)),
            6,
            "half of it, and the tick that runs"
        );
        assert!(
            !ends(&deadline.check_at(Duration::from_millis(100))),
            "halfway"
        );
        assert!(
            ends(&deadline.check_at(Duration::from_millis(105))),
            "at the deadline"
        );
    }

    #[test]
    fn a_call_that_was_put_aside_gets_its_time_and_no_more() {
        let mut deadline = Deadline::default();
        deadline.restart(Duration::from_millis(10));
        for millis in [100, 100, 101, 102] {
            assert!(
                !ends(&deadline.check_at(Duration::from_millis(millis))),
                "it has not run yet"
            );
        }
        assert!(
            ends(&deadline.check_at(Duration::from_millis(104))),
            "now it has"
        );
    }

    #[test]
    fn the_wall_is_a_bound_whatever_the_processor_says() {
        let mut deadline = Deadline::default();
        deadline.restart(Duration::from_millis(10));
        let checks = (1..1000)
            .find(|_| ends(&deadline.check_at(Duration::ZERO)))
            .unwrap();
        assert_eq!(checks, 20, "halves in ten deadlines");
    }

    #[test]
    fn each_call_starts_anew() {
        let mut deadline = Deadline::default();
        deadline.restart(Duration::from_millis(10));
        deadline.check_at(Duration::ZERO);
        deadline.restart(Duration::from_millis(10));
        assert!(
            !ends(&deadline.check_at(Duration::from_secs(9))),
            "the first check of this call"
        );
    }
}
