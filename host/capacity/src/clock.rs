//! Time that never goes back, made of a clock that may be set back.

/// The largest step back that is only the order in which threads got their turn.
const TOLERANCE: u64 = 1_000;

/// The latest time that counts; a time later than this is as good as the end of time.
const END: u64 = u64::MAX / 2;

/// A clock that stands still for a moment when it is told an earlier time, and goes on from where it was when the earlier time
/// is the new one.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    latest: u64,
    /// Milliseconds that the told time is behind ours.
    behind: u64,
}

// === impl Clock ===

impl Clock {
    /// Returns the time to count with, in milliseconds.
    pub(crate) fn at(&mut self, now: u64) -> u64 {
        let now = now.min(END);
        let ours = now.saturating_add(self.behind);
        if ours >= self.latest {
            self.latest = ours;
        } else if self.latest - ours > TOLERANCE {
            self.behind = self.latest - now;
        }
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_after_the_clock_was_set_back() {
        let mut clock = Clock::default();
        assert_eq!(clock.at(5_000_000), 5_000_000, "as told");
        assert_eq!(clock.at(1_000_000), 5_000_000, "set back");
        assert_eq!(clock.at(1_000_700), 5_000_700, "goes on");
        assert_eq!(clock.at(900_000), 5_000_700, "set back again");
        assert_eq!(clock.at(900_001), 5_000_701, "goes on again");
    }

    #[test]
    fn threads_that_overtake_each_other_do_not_speed_time_up() {
        let mut clock = Clock::default();
        for now in 10_000..20_000 {
            clock.at(now + 3);
            clock.at(now);
        }
        assert_eq!(clock.at(20_010), 20_010, "no drift");
    }

    #[test]
    fn the_end_of_time_is_no_trap() {
        let mut clock = Clock::default();
        let end = clock.at(u64::MAX);
        assert_eq!(clock.at(7), end, "set back");
        assert_eq!(clock.at(9), end + 2, "goes on");
    }
}
