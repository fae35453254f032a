//! Active health checks, which take an upstream out of service before requests fail.
//!
//! A check is a GET with the upstream's credential over a connection like any request's. Any status below 500 passes:
//! the server is there and answers. A number of failed checks in a row takes the upstream out of service, a number of
//! passed ones puts it back.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::config::HealthPolicy;

/// The results of the checks of one upstream.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// A flag that spares requests the lock: `false` while the upstream is in service.
    alert: AtomicBool,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    /// Consecutive checks that contradict the current state.
    against: u32,
    unhealthy: Option<Trouble>,
}

/// The reason for which an upstream gets no requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The last failure.
    pub why: String,
    /// The time at which it began.
    pub since: Instant,
}

/// The change that a check caused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The upstream was taken out of service.
    Out,
    /// The upstream was put back into service.
    In,
}

// === impl Health ===

impl Health {
    /// Returns the reason for which the upstream is out of service, or `None` if it is in service.
    pub(crate) fn unhealthy(&self) -> Option<Trouble> {
        if !self.alert.load(Ordering::Acquire) {
            return None;
        }
        self.record.lock().unhealthy.clone()
    }

    /// Records a check. Returns the change that it caused, if any.
    pub(crate) fn checked(
        &self,
        check: Result<(), String>,
        policy: &HealthPolicy,
        now: Instant,
    ) -> Option<Turn> {
        let mut record = self.record.lock();
        match (check, record.unhealthy.is_some()) {
            (Ok(()), false) => record.against = 0,
            (Ok(()), true) => {
                if record.turns(policy.healthy_after) {
                    record.unhealthy = None;
                    self.alert.store(false, Ordering::Release);
                    return Some(Turn::In);
                }
            }
            (Err(why), false) => {
                if record.turns(policy.unhealthy_after) {
                    record.unhealthy = Some(Trouble { why, since: now });
                    self.alert.store(true, Ordering::Release);
                    return Some(Turn::Out);
                }
            }
            (Err(why), true) => {
                record.against = 0;
                if let Some(unhealthy) = &mut record.unhealthy {
                    unhealthy.why = why;
                }
            }
        }
        None
    }
}

// === impl Record ===

impl Record {
    /// Counts a check that contradicts the current state. Returns whether that changes the state.
    fn turns(&mut self, needed: NonZeroU32) -> bool {
        self.against += 1;
        let turns = self.against >= needed.get();
        if turns {
            self.against = 0;
        }
        turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_several_checks_in_a_row_to_turn_either_way() {
        let health = Health::default();
        let policy = HealthPolicy::default();
        let check = |check: Result<(), &str>| {
            health.checked(check.map_err(str::to_owned), &policy, Instant::now())
        };
        for good in [false, false, true, false, false] {
            let turn = check(if good { Ok(()) } else { Err("503") });
            assert_eq!(turn, None, "two bad ones in a row are not three");
        }
        assert_eq!(check(Err("refused")), Some(Turn::Out), "three are");
        assert_eq!(
            health.unhealthy().unwrap().why,
            "refused",
            "the last one's word"
        );
        assert_eq!(check(Ok(())), None, "one good one is not two");
        assert_eq!(check(Err("late")), None, "and is forgotten");
        assert_eq!(check(Ok(())), None, "one");
        assert_eq!(check(Ok(())), Some(Turn::In), "two are");
        assert_eq!(health.unhealthy(), None, "healthy");
    }
}
