//! Block masks in ordinary registers, eight bytes at a time, for every processor.

use super::block::{BLOCK, Classify, Masks};

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The portable classifier.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

// === impl Portable ===

impl Classify for Portable {
    #[inline(always)]
    fn masks(self, block: &[u8; BLOCK]) -> Masks {
        let mut masks = Masks {
            quote: 0,
            backslash: 0,
            bracket: 0,
            comma: 0,
            control: 0,
        };
        for (index, word) in words(block).enumerate() {
            let shift = index * 8;
            // `{` and `[`, `}` and `]` differ in this one bit only.
            let folded = word | (0x20 * LOW);
            masks.quote |= gather(equal(word, b'"')) << shift;
            masks.backslash |= gather(equal(word, b'\\')) << shift;
            masks.bracket |= gather(equal(folded, b'{') | equal(folded, b'}')) << shift;
            masks.comma |= gather(equal(word, b',')) << shift;
            masks.control |= gather(zero(word & (0xe0 * LOW))) << shift;
        }
        masks
    }

    #[inline(always)]
    fn is_solid(self, block: &[u8; BLOCK]) -> bool {
        // Above 0x20 and no high bit: adding 0x5f to such a byte reaches the high bit, and never the next byte.
        words(block).all(|word| word & HIGH == 0 && word.wrapping_add(0x5f * LOW) & HIGH == HIGH)
    }

    #[inline(always)]
    fn prefix_xor(self, mut bits: u64) -> u64 {
        bits ^= bits << 1;
        bits ^= bits << 2;
        bits ^= bits << 4;
        bits ^= bits << 8;
        bits ^= bits << 16;
        bits ^= bits << 32;
        bits
    }
}

/// Returns the high bit of each byte that is a quote, a backslash or a control character. The first byte is the lowest.
#[inline(always)]
pub(super) fn special(word: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(word);
    equal(word, b'"') | equal(word, b'\\') | zero(word & (0xe0 * LOW))
}

fn words(block: &[u8; BLOCK]) -> impl Iterator<Item = u64> {
    let (words, _none) = block.as_chunks::<8>();
    words.iter().map(|word| u64::from_le_bytes(*word))
}

/// Returns the high bit of each byte that equals `byte`.
#[inline(always)]
fn equal(word: u64, byte: u8) -> u64 {
    zero(word ^ (u64::from(byte) * LOW))
}

/// Returns the high bit of each zero byte. Exact, because no carry crosses bytes.
#[inline(always)]
fn zero(word: u64) -> u64 {
    !(((word & !HIGH).wrapping_add(!HIGH)) | word) & HIGH
}

/// Gathers the eight high bits in the low byte: the factor moves bit 8n to bit 56 + n.
#[inline(always)]
fn gather(high: u64) -> u64 {
    (high >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}
