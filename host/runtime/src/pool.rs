//! The live instances of one plugin: bounded in number, idle ones waiting in a lock-free queue.
//!
//! A seat is held for the life of an instance, so instances can't outnumber the seats, whatever becomes of them.

use crate::instance::Instance;
use crossbeam_queue::ArrayQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) struct Pool {
    idle: ArrayQueue<Seated>,
    seats: Arc<Seats>,
}

/// An instance on its seat. It is boxed because every call moves it twice, out of the queue and into another place of it:
/// by value, a queue with many places would sweep through the processor's cache.
pub(crate) struct Seated {
    pub(crate) instance: Box<Instance>,
    _seat: Seat,
}

/// The right to have one instance. Dropping it gives the right back.
pub(crate) struct Seat(Arc<Seats>);

struct Seats {
    taken: AtomicUsize,
    limit: usize,
}

// === impl Pool ===

impl Pool {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            idle: ArrayQueue::new(limit.max(1)),
            seats: Arc::new(Seats {
                taken: AtomicUsize::new(0),
                limit,
            }),
        }
    }

    /// An idle instance.
    pub(crate) fn take(&self) -> Option<Seated> {
        self.idle.pop()
    }

    /// A seat for a new instance; none when all are taken.
    pub(crate) fn seat(&self) -> Option<Seat> {
        self.seats
            .taken
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |taken| {
                (taken < self.seats.limit).then_some(taken + 1)
            })
            .ok()
            .map(|_| Seat(Arc::clone(&self.seats)))
    }

    /// Takes an instance back. There is room for every instance that has a seat.
    pub(crate) fn put(&self, seated: Seated) {
        drop(self.idle.push(seated));
    }

    /// Instances alive now.
    pub(crate) fn live(&self) -> usize {
        self.seats.taken.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> usize {
        self.seats.limit
    }
}

// === impl Seated ===

impl Seated {
    pub(crate) fn new(instance: Instance, seat: Seat) -> Self {
        Self {
            instance: Box::new(instance),
            _seat: seat,
        }
    }
}

// === impl Seat ===

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}
