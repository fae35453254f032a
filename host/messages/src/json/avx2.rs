//! Block masks with AVX2, 32 bytes at a time, and the instructions for bits that every processor with AVX2 has.
//!
//! This is the only `unsafe` code of the crate. It is sound because only [`Avx2::detect`] creates an [`Avx2`], and only if the
//! processor has all of these instructions. Loads are unaligned and stay within their block.

#![allow(
    unsafe_code,
    reason = "vector intrinsics need it; a scan in ordinary registers is several times slower"
)]

use std::arch::is_x86_feature_detected as has;
use std::arch::x86_64::{
    __m256i, _mm_clmulepi64_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_set1_epi8,
    _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_loadu_si256, _mm256_min_epu8,
    _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
};

use super::block::{BLOCK, Classify, Text};

/// A proof that the processor has AVX2, BMI1, BMI2, POPCNT and PCLMULQDQ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

// === impl Avx2 ===

impl Avx2 {
    /// Returns the proof, or `None` without one of them. The standard library caches the check.
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        let bits = has!("bmi1") && has!("bmi2") && has!("popcnt") && has!("pclmulqdq");
        (has!("avx2") && bits).then_some(Self(()))
    }

    /// Runs `work` compiled for AVX2, so that code inlined into it uses the instructions without a call per block.
    #[inline]
    pub(crate) fn run<T>(self, work: impl FnOnce(Self) -> T) -> T {
        #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,pclmulqdq")]
        fn compiled<T>(proof: Avx2, work: impl FnOnce(Avx2) -> T) -> T {
            work(proof)
        }
        // SAFETY: `self` proves that the processor has what `compiled` requires.
        unsafe { compiled(self, work) }
    }
}

impl Classify for Avx2 {
    #[inline(always)]
    fn text(self, block: &[u8; BLOCK]) -> Text {
        // SAFETY: `self` proves that the processor has AVX2; `load` reads within the block.
        unsafe {
            let (low, high) = load(block);
            let least = _mm256_min_epu8(low, high);
            let control = _mm256_cmpeq_epi8(_mm256_min_epu8(least, _mm256_set1_epi8(0x1f)), least);
            Text {
                quote: equal(low, high, b'"'),
                backslash: equal(low, high, b'\\'),
                has_control: _mm256_movemask_epi8(control) != 0,
            }
        }
    }

    #[inline(always)]
    fn brackets(self, block: &[u8; BLOCK]) -> u64 {
        // SAFETY: `self` proves that the processor has AVX2; `load` reads within the block.
        unsafe {
            let (low, high) = load(block);
            let fold = _mm256_set1_epi8(0x20);
            let (low, high) = (_mm256_or_si256(low, fold), _mm256_or_si256(high, fold));
            let (open, close) = (
                _mm256_set1_epi8(b'{'.cast_signed()),
                _mm256_set1_epi8(b'}'.cast_signed()),
            );
            gather(
                _mm256_or_si256(_mm256_cmpeq_epi8(low, open), _mm256_cmpeq_epi8(low, close)),
                _mm256_or_si256(
                    _mm256_cmpeq_epi8(high, open),
                    _mm256_cmpeq_epi8(high, close),
                ),
            )
        }
    }

    #[inline(always)]
    fn control(self, block: &[u8; BLOCK]) -> u64 {
        // SAFETY: `self` proves that the processor has AVX2; `load` reads within the block.
        unsafe {
            let (low, high) = load(block);
            let last = _mm256_set1_epi8(0x1f);
            gather(
                _mm256_cmpeq_epi8(_mm256_min_epu8(low, last), low),
                _mm256_cmpeq_epi8(_mm256_min_epu8(high, last), high),
            )
        }
    }

    #[inline(always)]
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64 {
        // SAFETY: `self` proves that the processor has AVX2; `load` reads within the block.
        unsafe {
            let (low, high) = load(block);
            equal(low, high, byte)
        }
    }

    #[inline(always)]
    fn is_solid(self, block: &[u8; BLOCK]) -> bool {
        // SAFETY: `self` proves that the processor has AVX2; `load` reads within the block.
        unsafe {
            let (low, high) = load(block);
            let space = _mm256_set1_epi8(0x20);
            // Signed comparison: bytes with the high bit are below the space as well.
            gather(
                _mm256_cmpgt_epi8(low, space),
                _mm256_cmpgt_epi8(high, space),
            ) == u64::MAX
        }
    }

    /// A product without carries by a number of ones is the parity of each bit and all lower ones.
    #[inline(always)]
    fn prefix_xor(self, bits: u64) -> u64 {
        // SAFETY: `self` proves that the processor has PCLMULQDQ.
        let product = unsafe {
            let factor = _mm_cvtsi64_si128(bits.cast_signed());
            _mm_cvtsi128_si64(_mm_clmulepi64_si128::<0>(factor, _mm_set1_epi8(-1)))
        };
        product.cast_unsigned()
    }
}

/// Loads the two halves of a block.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn load(block: &[u8; BLOCK]) -> (__m256i, __m256i) {
    let start = block.as_ptr();
    // SAFETY: both loads are unaligned ones of 32 bytes, at 0 and 32 of 64; the caller has AVX2.
    unsafe {
        (
            _mm256_loadu_si256(start.cast()),
            _mm256_loadu_si256(start.add(32).cast()),
        )
    }
}

/// Returns the mask of bytes that equal `byte`.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn equal(low: __m256i, high: __m256i, byte: u8) -> u64 {
    // SAFETY: the caller has AVX2.
    unsafe {
        let wanted = _mm256_set1_epi8(byte.cast_signed());
        gather(
            _mm256_cmpeq_epi8(low, wanted),
            _mm256_cmpeq_epi8(high, wanted),
        )
    }
}

/// Returns the high bits of all bytes.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn gather(low: __m256i, high: __m256i) -> u64 {
    // SAFETY: the caller has AVX2.
    let (low, high) = unsafe { (_mm256_movemask_epi8(low), _mm256_movemask_epi8(high)) };
    u64::from(low.cast_unsigned()) | (u64::from(high.cast_unsigned()) << 32)
}
