//! Counts of a log.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed},
};
use std::time::Duration;

use super::Shared;

/// Counts of a log since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes appended.
    pub bytes: u64,
    /// Writes.
    pub writes: u64,
    /// Syncs.
    pub syncs: u64,
    /// The time that all syncs took.
    pub sync_time: Duration,
    /// The number of times that the disk refused.
    pub failures: u64,
    /// Snapshots written.
    pub snapshots: u64,
    /// The size of the last snapshot, in bytes.
    pub snapshot_bytes: u64,
    /// The last step that survives the process.
    pub written: u64,
    /// The last step that survives a loss of power.
    pub synced: u64,
    /// What a loss of power would forget, in pico-USD.
    pub unsynced_picousd: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) bytes: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) sync_nanos: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) snapshots: AtomicU64,
    pub(super) snapshot_bytes: AtomicU64,
    pub(super) unsynced_picousd: AtomicU64,
}

// === impl Shared ===

impl Shared {
    pub(super) fn stats(&self) -> Stats {
        let counters = &self.counters;
        Stats {
            bytes: counters.bytes.load(Relaxed),
            writes: counters.writes.load(Relaxed),
            syncs: counters.syncs.load(Relaxed),
            sync_time: Duration::from_nanos(counters.sync_nanos.load(Relaxed)),
            failures: counters.failures.load(Relaxed),
            snapshots: counters.snapshots.load(Relaxed),
            snapshot_bytes: counters.snapshot_bytes.load(Relaxed),
            written: self.written.load(Acquire),
            synced: self.synced.load(Acquire),
            unsynced_picousd: counters.unsynced_picousd.load(Relaxed),
        }
    }
}
