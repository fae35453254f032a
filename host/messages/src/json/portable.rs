//! Block masks in ordinary registers, eight bytes at a time, for every processor.

use super::block::{BLOCK, Classify, Text};

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The portable classifier.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

// === impl Portable ===

impl Classify for Portable {
    #[inline(always)]
    fn text(self, block: &[u8; BLOCK]) -> Text {
        Text {
            quote: mask(block, |word| equal(word, b'"')),
            backslash: mask(block, |word| equal(word, b'\\')),
            has_control: words(block).any(|word| control(word) != 0),
        }
    }

    #[inline(always)]
    fn brackets(self, block: &[u8; BLOCK]) -> u64 {
        mask(block, |word| {
            // `{` and `[`, `}` and `]` differ in this one bit only.
            let folded = word | (0x20 * LOW);
            equal(folded, b'{') | equal(folded, b'}')
        })
    }

    #[inline(always)]
    fn control(self, block: &[u8; BLOCK]) -> u64 {
        mask(block, control)
    }

    #[inline(always)]
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64 {
        mask(block, |word| equal(word, byte))
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
    equal(word, b'"') | equal(word, b'\\') | control(word)
}

/// Returns the mask of the bytes whose high bit `of` sets in their word.
#[inline(always)]
fn mask(block: &[u8; BLOCK], of: impl Fn(u64) -> u64) -> u64 {
    words(block).enumerate().fold(0, |mask, (index, word)| {
        mask | (gather(of(word)) << (index * 8))
    })
}

/// Returns the high bit of each byte that is a control character.
#[inline(always)]
fn control(word: u64) -> u64 {
    zero(word & (0xe0 * LOW))
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
