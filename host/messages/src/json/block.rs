//! Sixty-four bytes as bit masks: bit n says something about byte n.

/// Bytes in a block.
pub(crate) const BLOCK: usize = 64;

/// What stands where in a block, strings not yet told from structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Masks {
    /// `"`
    pub(crate) quote: u64,
    /// `\`
    pub(crate) backslash: u64,
    /// `{ } [ ]`
    pub(crate) bracket: u64,
    /// `,`
    pub(crate) comma: u64,
    /// Bytes below 0x20.
    pub(crate) control: u64,
}

/// A way to look at a block. All ways give the same masks.
pub(crate) trait Classify: Copy {
    /// All masks of a block.
    fn masks(self, block: &[u8; BLOCK]) -> Masks;

    /// Whether every byte of the block is visible ASCII, as in base64: 0x21 to 0x7f.
    fn is_solid(self, block: &[u8; BLOCK]) -> bool;
}

/// The bytes that a backslash escapes. `carry` is 1 when the last byte of the block before was such a backslash, and
/// is left so for the next block.
///
/// Runs of backslashes escape every second byte. Adding the starts of runs at odd places to the runs carries each one
/// to its end, which tells runs of odd length from even ones without a loop (after Langdale and Lemire's simdjson).
#[inline(always)]
pub(crate) fn escaped(backslash: u64, carry: &mut u64) -> u64 {
    const EVEN: u64 = 0x5555_5555_5555_5555;
    if backslash == 0 {
        return std::mem::take(carry);
    }
    let backslash = backslash & !*carry;
    let follows = (backslash << 1) | *carry;
    let odd_starts = backslash & !EVEN & !follows;
    let (sum, overflow) = odd_starts.overflowing_add(backslash);
    *carry = u64::from(overflow);
    (EVEN ^ (sum << 1)) & follows
}

/// Each bit becomes the parity of itself and all bits below: from an opening quote up to, and without, the closing one.
#[inline(always)]
pub(crate) fn prefix_xor(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^= bits << 32;
    bits
}

/// The bits below bit `end`.
#[inline(always)]
pub(crate) fn below(end: u32) -> u64 {
    1u64.checked_shl(end)
        .map_or(u64::MAX, |bit| bit.wrapping_sub(1))
}

#[cfg(test)]
mod tests;
