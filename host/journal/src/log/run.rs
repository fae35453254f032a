//! The time for which an operation has been running, for those who wait for it.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The moment that times are counted from.
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Time for which an operation still runs after it was noticed to be late, before it counts as late. A process that was suspended in the
/// middle of one finds it late at first, and then it ends.
const GRACE: Duration = Duration::from_millis(100);

/// An operation that runs or does not.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// The moment of its beginning; 0 while it does not run.
    since: AtomicU64,
    /// The moment at which it was noticed to be late; 0 before.
    noticed: AtomicU64,
}

// === impl Run ===

impl Run {
    /// Notes that the operation begins.
    pub(super) fn begin(&self, at: Instant) {
        self.noticed.store(0, Relaxed);
        self.since.store(moment(at), Relaxed);
    }

    /// Notes that it ended.
    pub(super) fn end(&self) {
        self.since.store(0, Relaxed);
    }

    /// Returns whether it runs.
    pub(super) fn is_running(&self) -> bool {
        self.since.load(Relaxed) != 0
    }

    /// Returns whether it has been running for longer than this, and was noticed to a while ago.
    pub(super) fn is_late(&self, patience: Duration, now: Instant) -> bool {
        let now = moment(now);
        let passed = |since| Duration::from_millis(now.saturating_sub(since));
        let since = self.since.load(Relaxed);
        if since == 0 || passed(since) <= patience {
            return false;
        }
        match self.noticed.load(Relaxed) {
            0 => {
                self.noticed.store(now, Relaxed);
                false
            }
            noticed => passed(noticed) > GRACE,
        }
    }
}

/// Returns a moment as milliseconds, of which none is 0.
fn moment(at: Instant) -> u64 {
    let millis = at.saturating_duration_since(*BEGIN).as_millis();
    u64::try_from(millis).unwrap_or(u64::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_late_once_it_has_gone_on_after_it_was_noticed_to_be() {
        let (run, patience) = (Run::default(), Duration::from_secs(2));
        let begun = *BEGIN + Duration::from_secs(1);
        let after = |millis| begun + Duration::from_millis(millis);
        assert!(!run.is_late(patience, after(9_000)), "nothing runs");
        run.begin(begun);
        assert!(!run.is_late(patience, after(2_000)), "in time");
        assert!(
            !run.is_late(patience, after(9_000)),
            "the process may have been suspended"
        );
        assert!(!run.is_late(patience, after(9_100)), "and needs a moment");
        assert!(run.is_late(patience, after(9_101)), "but this is the disk");
        run.begin(after(9_200));
        assert!(
            !run.is_late(patience, after(20_000)),
            "the next one is noticed anew"
        );
        run.end();
        assert!(!run.is_late(patience, after(30_000)), "it has ended");
    }
}
