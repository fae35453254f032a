//! Active health checks: an upstream that does not answer them is taken out before requests find out.
//!
//! A check is one GET with the upstream's credential over a connection like any request's. Any status below 500 is a
//! good one: the server is there and answers. So many bad ones in a row take the upstream out, so many good ones in a row
//! take it in again.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};

use crate::config::HealthPolicy;

/// What the checks of one upstream found.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Whether the lock has to be asked.
    alert: AtomicBool,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    /// Checks in a row that speak against the present state.
    against: u32,
    unhealthy: Option<Trouble>,
}

/// What keeps requests away from an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// What was seen last.
    pub(crate) why: String,
    /// Since when.
    pub(crate) since: Instant,
}

/// What a check changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The upstream was taken out.
    Out,
    /// It was taken in again.
    In,
}

// === impl Health ===

impl Health {
    /// What is wrong, if the upstream was taken out.
    pub(crate) fn unhealthy(&self) -> Option<Trouble> {
        if !self.alert.load(Ordering::Acquire) {
            return None;
        }
        self.lock().unhealthy.clone()
    }

    /// Counts a check in.
    pub(crate) fn checked(
        &self,
        check: Result<(), String>,
        policy: &HealthPolicy,
        now: Instant,
    ) -> Option<Turn> {
        let mut record = self.lock();
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

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock()
    }
}

// === impl Record ===

impl Record {
    /// Counts a check against the present state; says whether it was the last that was needed.
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
