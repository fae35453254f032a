//! Search for a name in a whole document, in any spelling, without reading the document.
//!
//! Hardly any document has the names that are searched for, so that passing over all of its bytes is what costs.

use memchr::memmem;

#[cfg(target_arch = "x86_64")]
use super::avx2::Avx2;

/// Bytes that are looked at together for escapes. A larger window is read closely more often.
const WINDOW: usize = 4 * 1024;

/// The beginning of every escape of an ASCII character.
const ESCAPE: &[u8] = b"\\u00";

/// The length of an escape.
const ESCAPE_LENGTH: usize = 6;

/// Returns true if a document may contain a name, in any spelling. The name consists of ASCII letters and `_`.
pub(crate) fn may_name(bytes: &[u8], name: &str) -> bool {
    let is_quoted = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        before == Some(&b'"') && bytes.get(at + name.len()) == Some(&b'"')
    };
    memmem::find_iter(bytes, name).any(is_quoted) || may_escape(bytes, name)
}

/// Returns true if a letter of the name is escaped somewhere, as in `\u0069`.
fn may_escape(bytes: &[u8], name: &str) -> bool {
    // Most documents have no such escape at all.
    let Some(first) = memmem::find(bytes, ESCAPE) else {
        return false;
    };
    let rest = bytes.get(first..).unwrap_or_default();
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = Avx2::detect() {
        // The closure has to be inlined into code compiled for AVX2, hence the attributes all the way down.
        return avx2.run(
            #[inline(always)]
            |_| escapes(rest, name),
        );
    }
    escapes(rest, name)
}

/// Returns true if `bytes` escape a letter of the name.
///
/// Logs and colored output are full of escapes of control characters, and finding each of these takes longer than passing over
/// all bytes with [`may_escape_letter`]. A plain loop, because a closure would not be compiled for AVX2.
#[inline(always)]
fn escapes(bytes: &[u8], name: &str) -> bool {
    for start in (0..bytes.len()).step_by(WINDOW) {
        // The last escape that begins in this window may end in the next one.
        let end = bytes.len().min(start + WINDOW + ESCAPE_LENGTH);
        let window = bytes.get(start..end).unwrap_or_default();
        if may_escape_letter(window) && escapes_letter(window, name) {
            return true;
        }
    }
    false
}

/// Returns true if there seems to be an escape of a letter or `_`: one of `\u004` to `\u007`, of which the two zeros are not
/// compared. Without an exit in the middle and with fixed distances the compiler vectorises the loop.
#[inline(always)]
fn may_escape_letter(window: &[u8]) -> bool {
    let from = |offset: usize| window.get(offset..).unwrap_or_default();
    let places = from(0).iter().zip(from(1)).zip(from(4));
    places.fold(false, |found, ((backslash, kind), digit)| {
        found | ((*backslash == b'\\') & (*kind == b'u') & (digit & !3 == b'4'))
    })
}

/// Returns true if a letter of the name is escaped. Escapes of other characters are irrelevant.
fn escapes_letter(window: &[u8], name: &str) -> bool {
    let is_letter = |at: usize| {
        let digit = |place: usize| char::from(*window.get(at + place)?).to_digit(16);
        let letter = digit(4).zip(digit(5)).map(|(high, low)| high * 16 + low);
        letter.is_some_and(|letter| name.bytes().any(|byte| u32::from(byte) == letter))
    };
    memmem::find_iter(window, ESCAPE).any(is_letter)
}

#[cfg(test)]
mod tests;
