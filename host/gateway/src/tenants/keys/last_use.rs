//! The time of a key's last request.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use witgate_ledger::UnixMillis;

/// The time of a key's last request since the process started. A clone is independent of its original.
#[derive(Debug, Default)]
pub(crate) struct LastUse(AtomicU64);

// === impl LastUse ===

impl LastUse {
    /// Records a request.
    pub(crate) fn set(&self, now: UnixMillis) {
        self.0.store(now.0, Relaxed);
    }

    /// Returns the time, or `None` if there was no request.
    pub(crate) fn get(&self) -> Option<UnixMillis> {
        match self.0.load(Relaxed) {
            0 => None,
            at => Some(UnixMillis(at)),
        }
    }

    /// Takes over the time from the same key in the previous keyring.
    pub(crate) fn inherit(&self, before: &Self) {
        self.0.fetch_max(before.0.load(Relaxed), Relaxed);
    }
}

impl Clone for LastUse {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Relaxed)))
    }
}
