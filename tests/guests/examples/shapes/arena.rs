//! An arena that starts over once nothing in it is alive.
//!
//! Allocating moves a pointer, freeing counts down, and at zero the pointer returns to the start. So memory never grows from
//! call to call as long as a call keeps nothing, and what a call keeps stays valid. For the bench: what does not fit ends
//! the guest.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, UnsafeCell};

const BYTES: usize = 1 << 20;

/// Memory of a guest, which has one thread.
#[repr(align(16))]
pub(crate) struct Arena {
    memory: UnsafeCell<[u8; BYTES]>,
    next: Cell<usize>,
    alive: Cell<usize>,
}

// SAFETY: a guest has one thread.
#[allow(unsafe_code, reason = "a static needs it, and there is one thread")]
unsafe impl Sync for Arena {}

// === impl Arena ===

impl Arena {
    pub(crate) const fn new() -> Self {
        Self {
            memory: UnsafeCell::new([0; BYTES]),
            next: Cell::new(0),
            alive: Cell::new(0),
        }
    }
}

// SAFETY: each allocation is a part of `memory` of its own, until nothing is alive any more.
#[allow(unsafe_code, reason = "an allocator is unsafe by its trait")]
unsafe impl GlobalAlloc for Arena {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = (self.next.get() + layout.align() - 1) & !(layout.align() - 1);
        let end = start + layout.size();
        if end > BYTES {
            return std::ptr::null_mut();
        }
        self.next.set(end);
        self.alive.set(self.alive.get() + 1);
        self.memory.get().cast::<u8>().wrapping_add(start)
    }

    #[inline]
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {
        let left = self.alive.get() - 1;
        self.alive.set(left);
        if left == 0 {
            self.next.set(0);
        }
    }
}
