//! The linear memory of all instances of an engine together.
//!
//! Each plugin's limit is for one instance, and there are as many instances as concurrent calls, so their sum has a limit of
//! its own. A call that would exceed it is shed, and does not count as a fault of the plugin that happens to ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The memory that all instances may use together.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    used: AtomicUsize,
    limit: usize,
}

/// An instance's share of the budget. Dropping it returns the memory.
#[derive(Debug)]
pub(crate) struct MemoryShare {
    budget: Arc<MemoryBudget>,
    bytes: usize,
}

// === impl MemoryBudget ===

impl MemoryBudget {
    pub(crate) fn of(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicUsize::new(0),
            limit,
        })
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns whether so little is left that idle instances are dropped: one that waits for a call must not keep another
    /// plugin from being called.
    pub(crate) fn is_scarce(&self) -> bool {
        self.used() > self.limit / 4 * 3
    }
}

// === impl MemoryShare ===

impl MemoryShare {
    pub(crate) fn none(budget: &Arc<MemoryBudget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            bytes: 0,
        }
    }

    /// Grows the share, and returns whether the budget has that much left.
    pub(crate) fn grow(&mut self, more: usize) -> bool {
        let limit = self.budget.limit;
        let grown = self
            .budget
            .used
            .fetch_update(Relaxed, Relaxed, |used| {
                used.checked_add(more).filter(|sum| *sum <= limit)
            })
            .is_ok();
        if grown {
            self.bytes += more;
        }
        grown
    }

    pub(crate) fn limit(&self) -> usize {
        self.budget.limit
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Relaxed);
    }
}
