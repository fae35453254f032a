//! Exchanges and bytes in one word, so that both are taken in one step.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Sum;

/// Bits of the bytes: up to a tebibyte. The exchanges are above them.
const BITS: u32 = 40;

const BYTES: u64 = (1 << BITS) - 1;

/// How much is under way.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

/// How much may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) exchanges: u64,
    pub(crate) bytes: u64,
}

/// The part of a bound that was reached.
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

    /// Adds, as far as that stays within a bound: all of it or nothing.
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
            // Nothing else hangs on the count: it orders no other memory.
            let swapped =
                self.0
                    .compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed);
            match swapped {
                Ok(_) => return Ok(()),
                Err(now) => seen = now,
            }
        }
    }

    /// Takes away what was added.
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
