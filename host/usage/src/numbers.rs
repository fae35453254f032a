//! A hash of numbers that a database gave out: nobody can choose them, so it need not withstand those who would.

use std::hash::{BuildHasher, Hasher};

/// A builder of hashes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Numbers;

/// The hash of some numbers.
pub(crate) struct Hash(u64);

// === impl Numbers ===

impl BuildHasher for Numbers {
    type Hasher = Hash;

    fn build_hasher(&self) -> Hash {
        Hash(0)
    }
}

// === impl Hash ===

impl Hash {
    fn add(&mut self, number: u64) {
        // The odd number next to 2^64 divided by the golden ratio.
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Hash {
    fn finish(&self) -> u64 {
        // The table takes its place from the low bits, and the product has the best ones on top.
        self.0.rotate_left(32)
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.add(u64::from(*byte));
        }
    }

    fn write_i64(&mut self, number: i64) {
        self.add(number.cast_unsigned());
    }
}
