//! A marker for requests that have been sent completely.

use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that is set once all of a request has been sent. Until then its upstream cannot have acted on it.
#[derive(Debug, Default)]
pub struct Departure(AtomicBool);

// === impl Departure ===

impl Departure {
    /// Marks the request as sent.
    pub(super) fn complete(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Marks the request as not sent, for one that is repeated.
    pub(crate) fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Returns whether all of the request has been sent.
    pub fn is_complete(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
