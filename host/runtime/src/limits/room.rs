//! The linear memory of all instances of an engine together.
//!
//! Each plugin's limit is for one instance, and there are as many instances as calls at a time. Their sum has a limit of its
//! own: an instance that would pass it is load to shed, and no fault of the plugin that happens to ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The memory that instances may take.
#[derive(Debug)]
pub(crate) struct Room {
    taken: AtomicUsize,
    limit: usize,
}

/// What one instance has taken of it. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Taken {
    room: Arc<Room>,
    bytes: usize,
}

// === impl Room ===

impl Room {
    pub(crate) fn of(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            taken: AtomicUsize::new(0),
            limit,
        })
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether so little is left that no instance is kept for later calls: one that waits for nothing must not keep another
    /// plugin from being called.
    pub(crate) fn is_scarce(&self) -> bool {
        self.taken() > self.limit / 4 * 3
    }
}

// === impl Taken ===

impl Taken {
    pub(crate) fn none(room: &Arc<Room>) -> Self {
        Self {
            room: Arc::clone(room),
            bytes: 0,
        }
    }

    /// Takes more, if there is so much.
    pub(crate) fn grow(&mut self, more: usize) -> bool {
        let limit = self.room.limit;
        let grown = self
            .room
            .taken
            .fetch_update(Relaxed, Relaxed, |taken| {
                taken.checked_add(more).filter(|sum| *sum <= limit)
            })
            .is_ok();
        if grown {
            self.bytes += more;
        }
        grown
    }

    pub(crate) fn limit(&self) -> usize {
        self.room.limit
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.bytes, Relaxed);
    }
}
