//! The memory of one call: facts that the host lends are put one after the other, and forgotten together when the call ends.
//!
//! An allocator that keeps books on every short text would cost more than the text. So while the SDK asks the host for a fact,
//! memory comes from a chunk that is filled from its start and reset after the call. All other memory, what a plugin keeps
//! included, comes from lists of small blocks or is a large block. Facts leave the SDK only as borrows that end with the call.

mod chunk;
mod large;
mod small;

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, RefCell};
use std::ptr::null_mut;

use self::chunk::Chunk;
use self::large::Large;
use self::small::{Size, Small};

/// The size of the chunk that stays for the next call, in bytes.
const CHUNK_BYTES: usize = 16 << 10;

/// The number of times that the size of further chunks doubles: up to 1 MiB.
const MAX_DOUBLINGS: usize = 6;

/// The allocator of a plugin: the chunks of the call, and small and large blocks.
struct Allocator {
    /// Set while the host is asked for a fact.
    lending: Cell<bool>,
    /// The number of calls that are running, one within the other. The host makes one at a time.
    calls: Cell<usize>,
    first: Chunk,
    /// Chunks for a call that asks for more than fits into the first one.
    more: RefCell<Vec<Chunk>>,
    small: Small,
    large: Large,
}

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: Allocator = Allocator::new();

// SAFETY: an instance has one thread.
#[cfg(target_arch = "wasm32")]
unsafe impl Sync for Allocator {}

/// The right to the facts of a call. Dropping it forgets them.
#[cfg(target_arch = "wasm32")]
#[derive(Debug)]
pub(crate) struct CallMemory(());

// === impl CallMemory ===

#[cfg(target_arch = "wasm32")]
impl CallMemory {
    pub(crate) fn begin() -> Self {
        ALLOCATOR.begin();
        Self(())
    }
}

#[cfg(target_arch = "wasm32")]
impl Drop for CallMemory {
    fn drop(&mut self) {
        ALLOCATOR.end();
    }
}

/// Asks the host for a fact, whose memory is the call's. `ask` does nothing else. Whatever it returns must not be dropped later
/// than the call, and must not reach the plugin other than as a borrow.
#[cfg(target_arch = "wasm32")]
pub(crate) fn lend<R>(ask: impl FnOnce() -> R) -> R {
    ALLOCATOR.lend(ask)
}

/// Borrows a text that the host lent, for the rest of the call. Its memory is the call's, so forgetting the owner leaks nothing.
/// Where the memory comes from somewhere else, such as wasi-libc's own `cabi_realloc`, the text is copied there first.
#[cfg(target_arch = "wasm32")]
pub(crate) fn keep<'a>(text: String) -> &'a str {
    if text.is_empty() || ALLOCATOR.is_lent(text.as_ptr().addr()) {
        return text.leak();
    }
    Box::leak(lend(|| Box::<str>::from(text.as_str())))
}

// === impl Allocator ===

impl Allocator {
    const fn new() -> Self {
        Self {
            lending: Cell::new(false),
            calls: Cell::new(0),
            first: Chunk::empty(),
            more: RefCell::new(Vec::new()),
            small: Small::empty(),
            large: Large::empty(),
        }
    }

    fn lend<R>(&self, ask: impl FnOnce() -> R) -> R {
        let before = self.lending.replace(true);
        let fact = ask();
        self.lending.set(before);
        fact
    }

    /// Returns memory of the call while the host is asked, and the plugin's own otherwise. The size must not be zero. Not a part
    /// of its callers, which are small.
    #[inline(never)]
    fn own_or_lent(&self, layout: Layout) -> *mut u8 {
        if self.lending.get() {
            return self.lent(layout);
        }
        match Size::of(layout) {
            Some(size) => self.small.alloc(size, &self.large),
            None => self.large.alloc(layout.size(), layout.align()),
        }
    }

    /// Gives memory back, unless it is the call's.
    ///
    /// # Safety
    ///
    /// As [`GlobalAlloc::dealloc`].
    #[inline(never)]
    unsafe fn give_back(&self, at: *mut u8, layout: Layout) {
        if self.is_lent(at.addr()) {
            return;
        }
        match Size::of(layout) {
            // SAFETY: the caller's promise; it was allocated for this size.
            Some(size) => unsafe { self.small.free(at, size) },
            // SAFETY: the caller's promise; it is neither a part of a chunk nor a small block.
            None => unsafe { self.large.free(at, layout.size()) },
        }
    }

    /// Returns memory of the newest chunk, or of a new one.
    fn lent(&self, layout: Layout) -> *mut u8 {
        let newest = match self.more.borrow().last() {
            Some(chunk) => chunk.alloc(layout),
            None => self.first.alloc(layout),
        };
        match newest.is_null() {
            false => newest,
            true => self.grow(layout),
        }
    }

    #[cold]
    fn grow(&self, layout: Layout) -> *mut u8 {
        // The first chunk stays, so it never has the size of a large fact.
        if self.first.is_empty() && self.first.take(CHUNK_BYTES, &self.large) {
            let memory = self.first.alloc(layout);
            if !memory.is_null() {
                return memory;
            }
        }
        let fresh = Chunk::empty();
        // Sizes double up to 1 MiB, so that a call has few chunks.
        let size = CHUNK_BYTES << self.more.borrow().len().min(MAX_DOUBLINGS);
        if !fresh.take(
            size.max(layout.size().saturating_add(layout.align())),
            &self.large,
        ) {
            return null_mut();
        }
        let memory = fresh.alloc(layout);
        // The list itself outlives the call.
        self.lending.set(false);
        self.more.borrow_mut().push(fresh);
        self.lending.set(true);
        memory
    }

    /// Returns whether the memory is a part of a chunk. While the list of chunks is being
    /// reallocated, the memory asked about is the list's own, which is never in a chunk.
    fn is_lent(&self, address: usize) -> bool {
        let of_more = |more: &Vec<Chunk>| more.iter().any(|chunk| chunk.has(address));
        self.first.has(address) || self.more.try_borrow().is_ok_and(|more| of_more(&more))
    }

    fn begin(&self) {
        self.calls.set(self.calls.get() + 1);
    }

    /// Ends a call, and forgets its facts unless it ran within another one, which may still borrow facts.
    fn end(&self) {
        self.calls.set(self.calls.get() - 1);
        if self.calls.get() == 0 {
            self.reset();
        }
    }

    /// Forgets the facts of the call. Only the first chunk stays.
    fn reset(&self) {
        self.first.clear();
        let more = std::mem::take(&mut *self.more.borrow_mut());
        for chunk in &more {
            chunk.give_back(&self.large);
        }
    }
}

// SAFETY: no two allocations overlap: a chunk is filled from its start, and reset only after the call, when nothing borrows from
// it; small and large blocks are used until they are given back.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.own_or_lent(layout)
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { self.give_back(at, layout) }
    }

    /// Memory that is not the call's own stays so even while the host is asked, since its owner may outlive the call.
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else {
            return null_mut();
        };
        let lent = self.is_lent(at.addr());
        let stays = !lent
            && match (Size::of(layout), Size::of(wanted)) {
                // SAFETY: the caller's promise; it is neither a part of a chunk nor a small block.
                (None, None) => unsafe { self.large.resize(at, layout.size(), size) },
                (old, new) => old == new,
            };
        if stays {
            return at;
        }
        let before = self.lending.replace(lent && self.lending.get());
        let moved = self.own_or_lent(wanted);
        self.lending.set(before);
        if !moved.is_null() {
            // SAFETY: both are at least as long as what is copied, and a new allocation overlaps no other.
            unsafe { std::ptr::copy_nonoverlapping(at, moved, layout.size().min(size)) };
            // SAFETY: the caller's promise; nothing uses it any more.
            unsafe { self.give_back(at, layout) };
        }
        moved
    }
}

#[cfg(test)]
mod tests;
