//! The deadline of a call: processor time, with a bound on the wall.
//!
//! Epochs count time on the wall. A guest whose thread the system has put aside, because there are more runnable threads
//! than cores, would pay for time that it did not have; and since a fault refuses the request, a busy machine would
//! refuse traffic. So the store is looked at halfway through the deadline and then every half of it: the call ends at
//! the first look that finds the thread to have run for most of the time since the first one, and in any case after
//! [`WALL`] times the deadline. On an idle machine that is the deadline itself. A call that ends before the first look
//! pays nothing for this.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use wasmtime::UpdateDeadline;

/// The period of the engine's clock, and so the resolution of deadlines.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// A call never takes more than this many deadlines on the wall.
pub(crate) const WALL: u32 = 10;

/// The deadline of the call that is running in a store.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    half: u64,
    looks: u32,
    /// Processor time of the thread at the first look.
    first: Option<Duration>,
}

// === impl Deadline ===

impl Deadline {
    /// Starts anew, and says after how many ticks the first look is due.
    pub(crate) fn restart(&mut self, limit: Duration) -> u64 {
        *self = Self {
            half: ticks(limit / 2),
            looks: 0,
            first: None,
        };
        // The tick that is running has begun already.
        self.half.saturating_add(1)
    }

    /// What becomes of the call at a look.
    pub(crate) fn look(&mut self) -> UpdateDeadline {
        self.judge(thread_time())
    }

    fn judge(&mut self, now: Duration) -> UpdateDeadline {
        self.looks += 1;
        let Some(first) = self.first else {
            self.first = Some(now);
            return UpdateDeadline::Continue(self.half);
        };
        let half = TICK.saturating_mul(u32::try_from(self.half).unwrap_or(u32::MAX));
        // Most of it, not all: the system's own work is on the thread's account, and waiting is not.
        let ran = now.saturating_sub(first) >= half / 4 * 3;
        if ran || self.looks >= 2 * WALL {
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

/// Time that this thread has had on a processor.
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
            !ends(&deadline.judge(Duration::from_millis(100))),
            "halfway"
        );
        assert!(
            ends(&deadline.judge(Duration::from_millis(105))),
            "at the deadline"
        );
    }

    #[test]
    fn a_call_that_was_put_aside_gets_its_time_and_no_more() {
        let mut deadline = Deadline::default();
        deadline.restart(Duration::from_millis(10));
        for millis in [100, 100, 101, 102] {
            assert!(
                !ends(&deadline.judge(Duration::from_millis(millis))),
                "it has not run yet"
            );
        }
        assert!(
            ends(&deadline.judge(Duration::from_millis(104))),
            "now it has"
        );
    }

    #[test]
    fn the_wall_is_a_bound_whatever_the_processor_says() {
        let mut deadline = Deadline::default();
        deadline.restart(Duration::from_millis(10));
        let looks = (1..1000)
            .find(|_| ends(&deadline.judge(Duration::ZERO)))
            .unwrap();
        assert_eq!(looks, 20, "halves in ten deadlines");
    }

    #[test]
    fn each_call_starts_anew() {
        let mut deadline = Deadline::default();
        deadline.restart(Duration::from_millis(10));
        deadline.judge(Duration::ZERO);
        deadline.restart(Duration::from_millis(10));
        assert!(
            !ends(&deadline.judge(Duration::from_secs(9))),
            "the first look of this call"
        );
    }
}
