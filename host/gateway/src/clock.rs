//! The time of day, and durations in whole units.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use witgate_ledger::UnixMillis;

/// Returns the time of day in milliseconds since 1970, or zero if the clock is set to an earlier time.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(since.whole_millis())
}

/// Durations as `u64` in whole units, rounded down. A duration that does not fit is `u64::MAX`.
pub(crate) trait WholeUnits {
    /// Returns the duration in milliseconds.
    fn whole_millis(self) -> u64;

    /// Returns the duration in microseconds.
    fn whole_micros(self) -> u64;

    /// Returns the duration in nanoseconds.
    fn whole_nanos(self) -> u64;
}

impl WholeUnits for Duration {
    fn whole_millis(self) -> u64 {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX)
    }

    fn whole_micros(self) -> u64 {
        u64::try_from(self.as_micros()).unwrap_or(u64::MAX)
    }

    fn whole_nanos(self) -> u64 {
        u64::try_from(self.as_nanos()).unwrap_or(u64::MAX)
    }
}
