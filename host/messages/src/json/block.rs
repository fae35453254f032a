//! Blocks of 64 bytes as bit masks, in which bit n describes byte n.

/// Bytes in a block.
pub(crate) const BLOCK: usize = 64;

/// The characters of a block that matter in strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text {
    /// `"`
    pub(crate) quote: u64,
    /// `\`
    pub(crate) backslash: u64,
    /// True if there are bytes below 0x20.
    pub(crate) has_control: bool,
}

/// A classifier of blocks. All implementations return the same masks.
pub(crate) trait Classify: Copy {
    /// Returns the characters that matter in strings.
    fn text(self, block: &[u8; BLOCK]) -> Text;

    /// Returns the mask of `{ } [ ]`.
    fn brackets(self, block: &[u8; BLOCK]) -> u64;

    /// Returns the mask of bytes below 0x20.
    fn control(self, block: &[u8; BLOCK]) -> u64;

    /// Returns the mask of bytes that equal `byte`.
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64;

    /// Returns true if every byte of the block is visible ASCII (0x21 to 0x7f), as in base64.
    fn is_solid(self, block: &[u8; BLOCK]) -> bool;

    /// Replaces each bit by the parity of itself and all lower bits, which marks the bytes from an opening quote up to, but not
    /// including, the closing one.
    fn prefix_xor(self, bits: u64) -> u64;
}

/// Returns the mask of bytes escaped by a backslash. `carry` is 1 if the previous block ended with an escaping backslash, and
/// is updated for the next block.
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

/// Returns the bits below bit `end`.
#[inline(always)]
pub(crate) fn below(end: u32) -> u64 {
    1u64.checked_shl(end)
        .map_or(u64::MAX, |bit| bit.wrapping_sub(1))
}

#[cfg(test)]
mod tests;
