//! Leases: what an admitted request has of a capacity until it ends.

use std::sync::Arc;

use crate::amounts::Amounts;
use crate::capacity::{Capacity, Resource};

/// The part of a capacity that a request was admitted with.
///
/// It ends in one of three ways: settled with what the request used; dropped before the request was sent, which gives everything
/// back; or dropped after that, which leaves the estimate standing, because nobody knows what was used.
#[derive(Debug)]
#[must_use = "a lease that is dropped gives its part back"]
pub struct Lease {
    capacity: Arc<Capacity>,
    resource: Resource,
    estimate: Amounts,
    /// The capacity's own time at which it was admitted.
    at: u64,
    stage: Stage,
}

/// The stage of a leased request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Admitted, and not sent.
    Admitted,
    /// Sent: the upstream may have counted it.
    Sent,
    /// Settled: the use is counted.
    Settled,
}

// === impl Lease ===

impl Lease {
    pub(crate) const fn new(
        capacity: Arc<Capacity>,
        resource: Resource,
        estimate: Amounts,
        at: u64,
    ) -> Self {
        Self {
            capacity,
            resource,
            estimate,
            at,
            stage: Stage::Admitted,
        }
    }

    /// Returns the estimate that was admitted.
    #[must_use]
    pub const fn estimate(&self) -> Amounts {
        self.estimate
    }

    /// Notes that the request is being sent: from now on the upstream may count it.
    pub fn sent(&mut self) {
        self.stage = Stage::Sent;
    }

    /// Counts what the request used in the place of the estimate.
    pub fn settle(mut self, used: Amounts, now: u64) {
        self.stage = Stage::Settled;
        self.capacity
            .settle(self.resource, (self.at, self.estimate), used, Some(now));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.stage == Stage::Admitted {
            let nothing = Amounts::default();
            self.capacity
                .settle(self.resource, (self.at, self.estimate), nothing, None);
        }
    }
}
