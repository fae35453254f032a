//! The usage of a connection, by which a full listener chooses the connection to evict.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// The usage of a connection, in the order of eviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Usage {
    /// There was no request yet.
    Unused,
    /// All requests have been answered.
    Idle,
    /// A request is in progress.
    Busy,
}

/// The usage record of one connection, shared with its listener.
#[derive(Debug, Clone, Default)]
pub(crate) struct Activity(Arc<AtomicU8>);

// === impl Activity ===

impl Activity {
    /// Returns the current usage.
    pub(crate) fn usage(&self) -> Usage {
        match self.0.load(Relaxed) {
            0 => Usage::Unused,
            1 => Usage::Idle,
            _ => Usage::Busy,
        }
    }

    /// Records that a request head is complete.
    pub(crate) fn begin(&self) {
        self.0.store(2, Relaxed);
    }

    /// Records that the connection waits for its next request.
    pub(crate) fn wait(&self) {
        if self.usage() == Usage::Busy {
            self.0.store(1, Relaxed);
        }
    }
}
