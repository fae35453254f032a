//! A counter of exchanges and bytes in one atomic word, so that both change in one step.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits for the bytes, up to a tebibyte. The exchanges are counted above them.
const BITS: u32 = 40;

const BYTES: u64 = (1 << BITS) - 1;

/// A count of exchanges and bytes.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

/// The number of exchanges in flight and their memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Number of exchanges.
    pub(crate) exchanges: u64,
    /// Memory that they hold, in bytes.
    pub(crate) bytes: u64,
}

/// A limit for a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) exchanges: u64,
    pub(crate) bytes: u64,
}

/// The part of a limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Exchanges,
    Bytes,
}

// === impl Counter ===

impl Counter {
    pub(crate) fn read(&self) -> Sum {
        Sum::of(self.0.load(Ordering::Relaxed))
    }

    /// Adds all of it, or nothing if it would exceed the limit.
    ///
    /// # Errors
    ///
    /// The part of the limit that it would exceed.
    pub(crate) fn try_add(&self, exchanges: u64, bytes: u64, bound: Bound) -> Result<(), Over> {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let sum = Sum::of(seen);
            if exchanges > 0 && sum.exchanges.saturating_add(exchanges) > bound.exchanges {
                return Err(Over::Exchanges);
            }
            if sum.bytes.saturating_add(bytes) > bound.bytes.min(BYTES) {
                return Err(Over::Bytes);
            }
            let next = seen + word(exchanges, bytes);
            // The count orders no other memory.
            let swapped =
                self.0
                    .compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed);
            match swapped {
                Ok(_) => return Ok(()),
                Err(now) => seen = now,
            }
        }
    }

    /// Subtracts what was added.
    pub(crate) fn sub(&self, exchanges: u64, bytes: u64) {
        self.0.fetch_sub(word(exchanges, bytes), Ordering::Relaxed);
    }
}

fn word(exchanges: u64, bytes: u64) -> u64 {
    (exchanges << BITS) + bytes
}

// === impl Sum ===

impl Sum {
    fn of(word: u64) -> Self {
        Self {
            exchanges: word >> BITS,
            bytes: word & BYTES,
        }
    }
}
