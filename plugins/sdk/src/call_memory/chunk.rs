//! A piece of memory that is filled from its start.

use std::alloc::Layout;
use std::cell::Cell;
use std::ptr::null_mut;

use super::large::{Large, UNIT};

/// A large block, or none yet.
pub(super) struct Chunk {
    start: Cell<*mut u8>,
    size: Cell<usize>,
    used: Cell<usize>,
}

// === impl Chunk ===

impl Chunk {
    pub(super) const fn empty() -> Self {
        Self {
            start: Cell::new(null_mut()),
            size: Cell::new(0),
            used: Cell::new(0),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.size.get() == 0
    }

    /// Takes memory, and returns whether there was any. The chunk was empty before, and the size is not zero.
    pub(super) fn take(&self, size: usize, large: &Large) -> bool {
        let start = large.alloc(size, UNIT);
        if start.is_null() {
            return false;
        }
        self.start.set(start);
        self.size.set(size);
        true
    }

    /// Returns memory of the chunk, or null if there is not enough left.
    pub(super) fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.start.get();
        let free = start.addr() + self.used.get();
        let begin = free.checked_next_multiple_of(layout.align());
        let end = begin.and_then(|begin| begin.checked_add(layout.size()));
        match (begin, end) {
            (Some(begin), Some(end)) if end - start.addr() <= self.size.get() => {
                self.used.set(end - start.addr());
                start.wrapping_add(begin - start.addr())
            }
            _ => null_mut(),
        }
    }

    pub(super) fn has(&self, address: usize) -> bool {
        address.wrapping_sub(self.start.get().addr()) < self.size.get()
    }

    /// Forgets what was allocated.
    pub(super) fn clear(&self) {
        self.used.set(0);
    }

    /// Gives the memory back. Nothing of it is used any more.
    pub(super) fn give_back(&self, large: &Large) {
        let (start, size) = (self.start.replace(null_mut()), self.size.replace(0));
        if !start.is_null() {
            // SAFETY: `take` allocated it with this size.
            unsafe { large.free(start, size) };
        }
    }
}
