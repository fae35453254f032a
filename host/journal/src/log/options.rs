//! Delays and bounds of a log.

use std::time::Duration;

use witgate_ledger::UnixMillis;

use super::lease::Lease;

/// Delays and bounds of a [`Log`](super::Log).
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The time between two syncs while there is something to sync.
    pub sync_interval: Duration,
    /// The size from which a segment is full, in bytes.
    pub segment_bytes: u64,
    /// The most bytes of steps that are kept while the disk refuses.
    pub buffer_bytes: usize,
    /// The longest write, and the longest sync, of a disk that is well.
    pub patience: Duration,
    /// The time between two attempts while the disk refuses.
    pub retry: Duration,
    /// The most that steps which are not synced may have spent.
    pub lease: Lease,
    /// The clock.
    pub now: fn() -> UnixMillis,
}

// === impl Options ===

impl Options {
    /// Returns the usual delays and bounds with this clock.
    #[must_use]
    pub fn with_clock(now: fn() -> UnixMillis) -> Self {
        Self {
            sync_interval: Duration::from_millis(100),
            segment_bytes: 16 << 20,
            buffer_bytes: 64 << 20,
            patience: Duration::from_secs(2),
            retry: Duration::from_millis(200),
            lease: Lease::UNBOUNDED,
            now,
        }
    }
}
