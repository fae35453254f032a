//! The time for which an operation has been running, for those who wait for it.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The moment that times are counted from.
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// An operation that runs or does not.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Milliseconds to its beginning, plus one; 0 while it does not run.
    since: AtomicU64,
}

// === impl Run ===

impl Run {
    /// Notes that the operation begins.
    pub(super) fn begin(&self, at: Instant) {
        let since = at.saturating_duration_since(*BEGIN).as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX - 1);
        self.since.store(since + 1, Relaxed);
    }

    /// Notes that it ended.
    pub(super) fn end(&self) {
        self.since.store(0, Relaxed);
    }

    /// Returns how long it has been running, or zero.
    pub(super) fn elapsed(&self) -> Duration {
        match self.since.load(Relaxed).checked_sub(1) {
            Some(since) => BEGIN.elapsed().saturating_sub(Duration::from_millis(since)),
            None => Duration::ZERO,
        }
    }
}
