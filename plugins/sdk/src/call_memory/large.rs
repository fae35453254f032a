//! Large blocks: the first free run of memory that has room, in the order of addresses.
//!
//! A plugin has few of them, so a search through a list is short, and takes a tenth of the code of the standard library's
//! allocator. Free neighbours are joined, so that a list that grows can use the place of what it was before.

use std::cell::Cell;
use std::ptr::null_mut;

/// The alignment of blocks and of their sizes, in bytes. More than any that the component ABI asks for.
pub(super) const UNIT: usize = 16;

/// The size of a page of a linear memory, in bytes.
const PAGE: usize = 64 << 10;

/// The free runs.
pub(super) struct Large {
    first: Cell<*mut Run>,
}

/// A free run of memory, at whose start this stands.
struct Run {
    /// Length in bytes.
    size: Cell<usize>,
    /// The next run, at a higher address, or null.
    next: Cell<*mut Run>,
}

// === impl Large ===

impl Large {
    pub(super) const fn empty() -> Self {
        Self {
            first: Cell::new(null_mut()),
        }
    }

    /// Returns memory of a size that is not zero, or null if there is none.
    pub(super) fn alloc(&self, size: usize, align: usize) -> *mut u8 {
        let Some(size) = size.checked_next_multiple_of(UNIT) else {
            return null_mut();
        };
        let align = align.max(UNIT);
        let found = self.take(size, align);
        if !found.is_null() {
            return found;
        }
        let Some(pages) = size.checked_add(align).map(|size| size.div_ceil(PAGE)) else {
            return null_mut();
        };
        let fresh = fresh_pages(pages);
        if fresh.is_null() {
            return null_mut();
        }
        // SAFETY: nothing uses pages that are fresh.
        unsafe { self.free(fresh, pages * PAGE) };
        self.take(size, align)
    }

    /// Takes memory from the first run that has room, or returns null. The size is a multiple of [`UNIT`], and the alignment at
    /// least that.
    fn take(&self, size: usize, align: usize) -> *mut u8 {
        let mut link = &self.first;
        // SAFETY: a run in the list is free memory that begins with its length and the next one.
        while let Some(run) = unsafe { link.get().as_ref() } {
            let at = link.get().cast::<u8>();
            let before = at.addr().wrapping_neg() % align;
            if let Some(rest) = run.size.get().checked_sub(before.saturating_add(size)) {
                let start = at.wrapping_add(before);
                let mut next = run.next.get();
                if rest > 0 {
                    // SAFETY: the rest of the run is free, aligned to a unit, and at least as long as one.
                    next = unsafe { write_run(start.wrapping_add(size), rest, next) };
                }
                match before {
                    0 => link.set(next),
                    _ => {
                        run.size.set(before);
                        run.next.set(next);
                    }
                }
                return start;
            }
            link = &run.next;
        }
        null_mut()
    }

    /// Gives memory back.
    ///
    /// # Safety
    ///
    /// It is a block of this size, aligned to a unit, and nothing uses it any more.
    pub(super) unsafe fn free(&self, at: *mut u8, size: usize) {
        let mut size = size.next_multiple_of(UNIT);
        let mut link = &self.first;
        let mut before: Option<&Run> = None;
        // SAFETY: a run in the list is free memory that begins with its length and the next one.
        while let Some(run) = unsafe { link.get().as_ref() } {
            if link.get().addr() > at.addr() {
                break;
            }
            (before, link) = (Some(run), &run.next);
        }
        let mut next = link.get();
        // SAFETY: as above.
        if let Some(run) = unsafe { next.as_ref() }
            && at.addr() + size == next.addr()
        {
            size += run.size.get();
            next = run.next.get();
        }
        match before {
            Some(run) if std::ptr::from_ref(run).addr() + run.size.get() == at.addr() => {
                run.size.set(run.size.get() + size);
                run.next.set(next);
            }
            // SAFETY: the caller's promise.
            _ => link.set(unsafe { write_run(at, size, next) }),
        }
    }

    /// Makes a block longer or shorter where it is, and returns whether that was possible.
    ///
    /// # Safety
    ///
    /// It is a block of the size `from`, and nothing uses what is behind `to`.
    pub(super) unsafe fn resize(&self, at: *mut u8, from: usize, to: usize) -> bool {
        let from = from.next_multiple_of(UNIT);
        let Some(to) = to.checked_next_multiple_of(UNIT) else {
            return false;
        };
        let end = at.wrapping_add(from);
        if to < from {
            // SAFETY: the caller's promise.
            unsafe { self.free(at.wrapping_add(to), from - to) };
        }
        let Some(more) = to.checked_sub(from).filter(|more| *more > 0) else {
            return true;
        };
        let mut link = &self.first;
        // SAFETY: a run in the list is free memory that begins with its length and the next one.
        while let Some(run) = unsafe { link.get().as_ref() } {
            if link.get().addr() == end.addr()
                && let Some(rest) = run.size.get().checked_sub(more)
            {
                let mut next = run.next.get();
                if rest > 0 {
                    // SAFETY: the rest of the run is free, aligned to a unit, and at least as long as one.
                    next = unsafe { write_run(end.wrapping_add(more), rest, next) };
                }
                link.set(next);
                return true;
            }
            link = &run.next;
        }
        false
    }
}

/// Writes the start of a free run, and returns it.
///
/// # Safety
///
/// The memory is free, aligned to a unit, and at least as long as one.
#[allow(
    clippy::cast_ptr_alignment,
    reason = "a unit is as aligned as a run needs"
)]
unsafe fn write_run(at: *mut u8, size: usize, next: *mut Run) -> *mut Run {
    let run = at.cast::<Run>();
    let (size, next) = (Cell::new(size), Cell::new(next));
    // SAFETY: the caller's promise.
    unsafe { run.write(Run { size, next }) };
    run
}

/// Returns pages that nothing uses, or null if there are none.
#[cfg(target_arch = "wasm32")]
fn fresh_pages(count: usize) -> *mut u8 {
    match core::arch::wasm32::memory_grow::<0>(count) {
        usize::MAX => null_mut(),
        before => std::ptr::with_exposed_provenance_mut(before * PAGE),
    }
}

/// Returns pages that nothing uses, or null if there are none.
#[cfg(not(target_arch = "wasm32"))]
fn fresh_pages(count: usize) -> *mut u8 {
    use std::alloc::{GlobalAlloc, Layout, System};

    match Layout::from_size_align(count * PAGE, UNIT) {
        // SAFETY: the size is not zero.
        Ok(pages) => unsafe { System.alloc(pages) },
        Err(_) => null_mut(),
    }
}
