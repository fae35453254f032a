//! The time of day, for everything that is counted or written down in it.

use std::time::{SystemTime, UNIX_EPOCH};

use witgate_ledger::UnixMillis;

/// Returns the time of day in milliseconds since 1970; zero if the clock stands before that.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
