//! Small blocks, which make up nearly all that a plugin allocates, in lists of free ones by size.
//!
//! An allocator that joins free neighbours keeps books on them. For a text of twenty bytes that costs more than the rest of its
//! life. A small block goes back to the list of its own size and is never anything else, so small blocks take at most the sum
//! of the most blocks of each size that a plugin had at a time.

use std::alloc::Layout;
use std::cell::Cell;
use std::ptr::null_mut;

use super::large::{Large, UNIT};

/// The number of sizes: each multiple of 16 bytes up to 256, then four between a power of two and the next one, up to 4 KiB.
const SIZES: usize = 32;

/// The number of sizes that are a multiple of [`UNIT`].
const MULTIPLES: usize = 16;

/// The logarithm of the largest multiple in bytes, from which on sizes grow with their own size.
const LARGEST_MULTIPLE: u32 = 8;

/// The memory that is cut into blocks, in bytes. The rest of it is lost when the next one begins.
const SLAB_BYTES: usize = 8 << 10;

/// The largest size that is cut from a slab. A larger block is taken as it is.
const CUT_BYTES: usize = 512;

/// A list of free blocks for each size, and the slab that new ones are cut from.
pub(super) struct Small {
    free: [Cell<*mut Free>; SIZES],
    next: Cell<*mut u8>,
    left: Cell<usize>,
}

/// A size of small blocks: its index in the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(usize);

/// A free block, which holds the address of the next one.
struct Free {
    next: *mut Free,
}

// === impl Size ===

impl Size {
    /// Returns the size of blocks that have room for a layout, or `None` if it is not a small one.
    #[inline]
    pub(super) fn of(layout: Layout) -> Option<Self> {
        let last = layout.size().wrapping_sub(1);
        if layout.align() > UNIT {
            return None;
        }
        let index = match last / UNIT {
            multiple if multiple < MULTIPLES => multiple,
            _ => {
                let power = last.ilog2();
                let quarter = (last >> (power - 2)) % 4;
                let power = usize::try_from(power - LARGEST_MULTIPLE).ok()?;
                MULTIPLES + power * 4 + quarter
            }
        };
        (index < SIZES).then_some(Self(index))
    }

    /// Returns the size in bytes.
    pub(super) const fn bytes(self) -> usize {
        match self.0.checked_sub(MULTIPLES) {
            None => (self.0 + 1) * UNIT,
            Some(later) => {
                let power = 1 << (later / 4 + LARGEST_MULTIPLE as usize);
                power + (later % 4 + 1) * (power / 4)
            }
        }
    }
}

// === impl Small ===

impl Small {
    pub(super) const fn empty() -> Self {
        Self {
            free: [const { Cell::new(null_mut()) }; SIZES],
            next: Cell::new(null_mut()),
            left: Cell::new(0),
        }
    }

    /// Returns a block, or null if there is no memory.
    #[inline]
    pub(super) fn alloc(&self, size: Size, large: &Large) -> *mut u8 {
        let Some(list) = self.free.get(size.0) else {
            return null_mut();
        };
        let block = list.get();
        if block.is_null() {
            return self.cut(size.bytes(), large);
        }
        // SAFETY: blocks in the list are free, and each holds the address of the next one.
        list.set(unsafe { (*block).next });
        block.cast()
    }

    /// Puts a block back.
    ///
    /// # Safety
    ///
    /// `alloc` returned it for the same size, and nothing uses it any more.
    #[inline]
    pub(super) unsafe fn free(&self, at: *mut u8, size: Size) {
        let Some(list) = self.free.get(size.0) else {
            return;
        };
        let block = at.cast::<Free>();
        // SAFETY: blocks are aligned to more than an address needs, and longer than it; the caller promises the rest.
        unsafe { (*block).next = list.get() };
        list.set(block);
    }

    /// Cuts a block from the slab, or from a new one.
    #[inline(never)]
    fn cut(&self, bytes: usize, large: &Large) -> *mut u8 {
        if bytes > CUT_BYTES {
            return large.alloc(bytes, UNIT);
        }
        if self.left.get() < bytes {
            let slab = large.alloc(SLAB_BYTES, UNIT);
            if slab.is_null() {
                return null_mut();
            }
            self.next.set(slab);
            self.left.set(SLAB_BYTES);
        }
        let block = self.next.get();
        self.next.set(block.wrapping_add(bytes));
        self.left.set(self.left.get() - bytes);
        block
    }
}
