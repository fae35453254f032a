//! The live instances of one plugin: limited in number, with idle ones in a lock-free queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_queue::ArrayQueue;

use crate::instance::Instance;

pub(crate) struct Pool {
    idle: ArrayQueue<PooledInstance>,
    leases: Arc<Leases>,
}

/// An instance with its lease. The instance is boxed because every call moves it out of the queue and back into another
/// slot: by value, a queue with many slots would sweep through the processor's cache.
pub(crate) struct PooledInstance {
    pub(crate) instance: Box<Instance>,
    _lease: Lease,
}

/// The right to have one live instance. Dropping it frees the right.
pub(crate) struct Lease(Arc<Leases>);

struct Leases {
    taken: AtomicUsize,
    limit: usize,
}

// === impl Pool ===

impl Pool {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            idle: ArrayQueue::new(limit.max(1)),
            leases: Arc::new(Leases {
                taken: AtomicUsize::new(0),
                limit,
            }),
        }
    }

    /// Takes an idle instance, or returns `None` if there is none.
    pub(crate) fn take(&self) -> Option<PooledInstance> {
        self.idle.pop()
    }

    /// Takes a lease for a new instance, or returns `None` if all are taken.
    pub(crate) fn lease(&self) -> Option<Lease> {
        self.leases
            .taken
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |taken| {
                (taken < self.leases.limit).then_some(taken + 1)
            })
            .ok()
            .map(|_| Lease(Arc::clone(&self.leases)))
    }

    /// Puts an instance back. The queue has a slot for every lease, so this always succeeds.
    pub(crate) fn put(&self, pooled: PooledInstance) {
        drop(self.idle.push(pooled));
    }

    /// Returns the number of live instances.
    pub(crate) fn live(&self) -> usize {
        self.leases.taken.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> usize {
        self.leases.limit
    }
}

// === impl PooledInstance ===

impl PooledInstance {
    pub(crate) fn new(instance: Instance, lease: Lease) -> Self {
        Self {
            instance: Box::new(instance),
            _lease: lease,
        }
    }
}

// === impl Lease ===

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}
