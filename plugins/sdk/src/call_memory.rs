//! The memory of one call: facts that the host lends are put one after the other, and forgotten together when the call ends.
//!
//! An allocator that keeps books on every short text would cost more than the text. So while the SDK asks the host for a fact,
//! memory comes from a chunk that is filled from its start and reset after the call. All other memory, what a plugin keeps
//! included, comes from the ordinary allocator. Facts leave the SDK only as borrows that end with the call.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::ptr::null_mut;

/// The size of the chunk that stays for the next call, in bytes.
const CHUNK_BYTES: usize = 16 << 10;

/// Larger than any alignment that the component ABI asks for, in bytes.
const ALIGN: usize = 16;

/// The allocator of a plugin: the ordinary one, and the chunks of the call.
struct Allocator {
    /// Set while the host is asked for a fact.
    lending: Cell<bool>,
    first: Chunk,
    /// Chunks for a call that asks for more than fits into the first one.
    more: RefCell<Vec<Chunk>>,
}

/// A piece of memory that is filled from its start.
struct Chunk {
    start: Cell<usize>,
    size: Cell<usize>,
    used: Cell<usize>,
}

#[global_allocator]
static ALLOCATOR: Allocator = Allocator {
    lending: Cell::new(false),
    first: Chunk::empty(),
    more: RefCell::new(Vec::new()),
};

// SAFETY: an instance has one thread.
unsafe impl Sync for Allocator {}

/// The right to the facts of a call. Dropping it forgets them.
#[derive(Debug)]
pub(crate) struct CallMemory(());

// === impl CallMemory ===

impl CallMemory {
    pub(crate) fn begin() -> Self {
        Self(())
    }
}

impl Drop for CallMemory {
    fn drop(&mut self) {
        ALLOCATOR.reset();
    }
}

/// Asks the host for a fact, whose memory is the call's. Whatever `ask` returns must not be dropped later than the call.
pub(crate) fn lend<R>(ask: impl FnOnce() -> R) -> R {
    ALLOCATOR.lending.set(true);
    let fact = ask();
    ALLOCATOR.lending.set(false);
    fact
}

// === impl Allocator ===

impl Allocator {
    #[cold]
    fn grow(&self, layout: Layout) -> *mut u8 {
        let size = CHUNK_BYTES.max(layout.size().saturating_add(ALIGN));
        let Ok(whole) = Layout::from_size_align(size, ALIGN) else {
            return null_mut();
        };
        // SAFETY: the size is not zero.
        let start = unsafe { System.alloc(whole) };
        if start.is_null() {
            return start;
        }
        let chunk = if self.first.size.get() == 0 {
            self.first.take_over(start.addr(), size);
            &self.first
        } else {
            self.lending.set(false);
            let fresh = Chunk::empty();
            fresh.take_over(start.addr(), size);
            self.more.borrow_mut().push(fresh);
            self.lending.set(true);
            return self
                .more
                .borrow()
                .last()
                .map_or(null_mut(), |chunk| chunk.alloc(layout));
        };
        chunk.alloc(layout)
    }

    fn lent(&self, layout: Layout) -> *mut u8 {
        let last = match self.more.try_borrow() {
            Ok(more) => more
                .last()
                .map_or_else(|| self.first.alloc(layout), |it| it.alloc(layout)),
            Err(_) => null_mut(),
        };
        match last.is_null() {
            false => last,
            true => self.grow(layout),
        }
    }

    fn is_lent(&self, address: usize) -> bool {
        self.first.has(address)
            || self
                .more
                .try_borrow()
                .is_ok_and(|more| more.iter().any(|chunk| chunk.has(address)))
    }

    fn reset(&self) {
        self.first.used.set(0);
        let more = std::mem::take(&mut *self.more.borrow_mut());
        for chunk in more {
            if let Ok(layout) = Layout::from_size_align(chunk.size.get(), ALIGN) {
                let start = std::ptr::with_exposed_provenance_mut(chunk.start.get());
                // SAFETY: `grow` allocated it with this layout, and nothing of it outlives the call.
                unsafe { System.dealloc(start, layout) };
            }
        }
    }
}

// SAFETY: memory is the ordinary allocator's, or a part of one of its chunks that no other allocation overlaps: chunks are
// filled from their start, and reset only after the call, when nothing borrows from them.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.lending.get() {
            return self.lent(layout);
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if !self.is_lent(at.addr()) {
            // SAFETY: the caller's promise; it is not a part of a chunk.
            unsafe { System.dealloc(at, layout) }
        }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !self.lending.get() && !self.is_lent(at.addr()) {
            // SAFETY: the caller's promise; it is not a part of a chunk.
            return unsafe { System.realloc(at, layout, size) };
        }
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else {
            return null_mut();
        };
        // SAFETY: the caller's promise; the size is not zero, and both parts are at least as long as what is copied.
        unsafe {
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                std::ptr::copy_nonoverlapping(at, moved, layout.size().min(size));
                self.dealloc(at, layout);
            }
            moved
        }
    }
}

// === impl Chunk ===

impl Chunk {
    const fn empty() -> Self {
        Self {
            start: Cell::new(0),
            size: Cell::new(0),
            used: Cell::new(0),
        }
    }

    fn take_over(&self, start: usize, size: usize) {
        self.start.set(start);
        self.size.set(size);
        self.used.set(0);
    }

    /// Returns memory of the chunk, or null if there is not enough left.
    fn alloc(&self, layout: Layout) -> *mut u8 {
        let free = self.start.get() + self.used.get();
        let begin = free.next_multiple_of(layout.align());
        let end = begin.saturating_add(layout.size());
        if self.size.get() == 0 || end > self.start.get() + self.size.get() {
            return null_mut();
        }
        self.used.set(end - self.start.get());
        std::ptr::with_exposed_provenance_mut(begin)
    }

    fn has(&self, address: usize) -> bool {
        address.wrapping_sub(self.start.get()) < self.size.get()
    }
}
