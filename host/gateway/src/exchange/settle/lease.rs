//! The lease on an upstream's capacity, settled with what the exchange used.

use witgate_capacity::{Amounts, Lease};
use witgate_runtime::Estimate;

use super::Settlement;
use crate::clock::now;

// === impl Settlement ===

impl Settlement {
    /// Returns what plugins were told that the request is expected to use.
    pub(in crate::exchange) fn estimate(&self) -> Estimate {
        self.forecast.estimate
    }

    /// Keeps the lease of the attempt that gave an answer.
    pub(in crate::exchange) fn keep_lease(&mut self, lease: Box<Lease>) {
        self.lease = Some(lease);
    }

    /// Settles the lease with the use that was read, or leaves the estimate standing if none was.
    pub(super) fn settle_lease(&mut self) {
        let (Some(lease), Some(reading)) = (self.lease.take(), &self.receipt.usage.reading) else {
            return;
        };
        let tokens = &reading.usage.tokens;
        if tokens.total() == 0 {
            return;
        }
        // Upstreams do not count what they read from a cache.
        let used = Amounts {
            requests: 1,
            input: tokens.input.saturating_add(tokens.cache_write),
            output: tokens.output,
        };
        lease.settle(used, now().0);
    }
}
