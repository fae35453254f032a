//! The clock that all processes of a machine share.

use rustix::time::{ClockId, clock_gettime};

/// Returns the nanoseconds since the machine started.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let [seconds, nanoseconds] = [now.tv_sec, now.tv_nsec].map(|part| part.unsigned_abs());
    seconds * 1_000_000_000 + nanoseconds
}
