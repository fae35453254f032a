//! Numbers and texts in bytes, and frames with a checksum.
//!
//! A frame is the length of its payload and the CRC-32C of it, four bytes each, little-endian, and the payload. The checksum
//! begins with the epoch of the file, so that a frame of another file is not taken for one of this file.

use std::sync::Arc;

/// The number of bytes before a payload.
pub(crate) const FRAME_HEADER: usize = 8;

/// The longest payload, in bytes. A longer length is damage.
const MAX_PAYLOAD: usize = 1 << 24;

/// Numbers below this one have at most eight bytes of seven bits.
const SPREADABLE: u64 = 1 << 56;

/// The bits of eight bytes that say that another byte follows.
const MORE: u64 = 0x8080_8080_8080_8080;

/// Bytes that are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bad;

/// Appends a number, seven bits a byte, the lowest first.
#[inline]
pub(crate) fn put_uint(out: &mut Vec<u8>, value: u128) {
    // Almost every number is small, and 64-bit shifts are much faster.
    match u64::try_from(value) {
        Ok(small) => put_small(out, small),
        Err(_) => put_large(out, value),
    }
}

#[inline]
fn put_small(out: &mut Vec<u8>, value: u64) {
    match u8::try_from(value) {
        Ok(byte) if byte < 0x80 => out.push(byte),
        _ => put_long(out, value),
    }
}

/// Appends a number of several bytes, up to eight of them at a time.
#[inline(never)]
fn put_long(out: &mut Vec<u8>, mut value: u64) {
    while value >= SPREADABLE {
        out.extend_from_slice(&(spread(value % SPREADABLE) | MORE).to_le_bytes());
        value /= SPREADABLE;
    }
    let bytes = (u64::BITS - value.leading_zeros()).div_ceil(7);
    let more = MORE & ((1 << (8 * (bytes - 1))) - 1);
    let end = out.len() + bytes as usize;
    out.extend_from_slice(&(spread(value) | more).to_le_bytes());
    out.truncate(end);
}

#[cold]
fn put_large(out: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        out.push(low | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or_default());
}

/// Moves the bits of a number below [`SPREADABLE`] apart, so that each byte has seven of them, the lowest first.
const fn spread(value: u64) -> u64 {
    let halves = (value & 0x0fff_ffff) | ((value & 0x00ff_ffff_f000_0000) << 4);
    let quarters = (halves & 0x0000_3fff_0000_3fff) | ((halves & 0x0fff_c000_0fff_c000) << 2);
    (quarters & 0x007f_007f_007f_007f) | ((quarters & 0x3f80_3f80_3f80_3f80) << 1)
}

/// Appends a signed number, small ones in few bytes.
pub(crate) fn put_int(out: &mut Vec<u8>, value: i64) {
    let zigzag = (value << 1) ^ (value >> 63);
    put_small(out, zigzag.cast_unsigned());
}

/// Appends a text with its length.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_small(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a frame around what `write` appends.
pub(crate) fn put_frame(out: &mut Vec<u8>, epoch: u64, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEADER]);
    write(out);
    let Some((header, payload)) = out
        .get_mut(start..)
        .and_then(|frame| frame.split_at_mut_checked(FRAME_HEADER))
    else {
        return;
    };
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let header_bytes = length.to_le_bytes().into_iter();
    let header_bytes = header_bytes.chain(checksum(epoch, payload).to_le_bytes());
    for (place, byte) in header.iter_mut().zip(header_bytes) {
        *place = byte;
    }
}

/// Returns the payload of the frame at the start of `bytes` and the length of the frame, or `None` at the end.
///
/// # Errors
///
/// The frame is cut short or damaged.
pub(crate) fn next_frame(bytes: &[u8], epoch: u64) -> Result<Option<(&[u8], usize)>, Bad> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(Bad)?;
    let (sum, rest) = rest.split_first_chunk::<4>().ok_or(Bad)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| Bad)?;
    // A disk that lost its power may leave zeros.
    if length == 0 || length > MAX_PAYLOAD {
        return Err(Bad);
    }
    let payload = rest.get(..length).ok_or(Bad)?;
    if checksum(epoch, payload) != u32::from_le_bytes(*sum) {
        return Err(Bad);
    }
    Ok(Some((payload, FRAME_HEADER + length)))
}

fn checksum(epoch: u64, payload: &[u8]) -> u32 {
    let seed = crc32c::crc32c(&epoch.to_le_bytes());
    crc32c::crc32c_append(seed, payload)
}

/// A reader of numbers and texts.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

// === impl Reader ===

impl Reader<'_> {
    pub(crate) fn byte(&mut self) -> Result<u8, Bad> {
        let (first, rest) = self.0.split_first().ok_or(Bad)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(crate) fn uint(&mut self) -> Result<u128, Bad> {
        let mut value = 0_u128;
        for shift in (0..u128::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            let moved = bits << shift;
            if moved >> shift != bits {
                return Err(Bad);
            }
            value |= moved;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Bad)
    }

    pub(crate) fn small(&mut self) -> Result<u64, Bad> {
        u64::try_from(self.uint()?).map_err(|_| Bad)
    }

    pub(crate) fn int(&mut self) -> Result<i64, Bad> {
        let zigzag = self.small()?;
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    pub(crate) fn text(&mut self) -> Result<Arc<str>, Bad> {
        let length = usize::try_from(self.small()?).map_err(|_| Bad)?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(Bad)?;
        self.0 = rest;
        std::str::from_utf8(text).map(Into::into).map_err(|_| Bad)
    }

    /// Returns an error unless everything has been read.
    pub(crate) fn end(&self) -> Result<(), Bad> {
        if self.0.is_empty() { Ok(()) } else { Err(Bad) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_read_back_as_they_were_written() {
        let numbers = [0, 1, 127, 128, u128::from(u64::MAX), 1 << 64, u128::MAX];
        let signed = [0, 1, -1, i64::MAX, i64::MIN];
        let mut bytes = Vec::new();
        numbers
            .iter()
            .for_each(|number| put_uint(&mut bytes, *number));
        signed
            .iter()
            .for_each(|number| put_int(&mut bytes, *number));
        put_text(&mut bytes, "tenant:\u{e9}");
        let mut reader = Reader(&bytes);
        for number in numbers {
            assert_eq!(reader.uint(), Ok(number), "an unsigned number");
        }
        for number in signed {
            assert_eq!(reader.int(), Ok(number), "a signed number");
        }
        assert_eq!(reader.text().as_deref(), Ok("tenant:\u{e9}"), "a text");
        assert_eq!(reader.end(), Ok(()), "and nothing is left");
        assert_eq!(Reader(&[0xff; 19]).uint(), Err(Bad), "too large a number");
        assert_eq!(Reader(&[5, b'a']).text(), Err(Bad), "too short a text");
    }

    #[test]
    fn a_number_of_every_length_is_written_in_as_few_bytes_as_it_needs() {
        for bits in 0..u64::BITS {
            for value in [
                (1_u64 << bits) - 1,
                1 << bits,
                (1 << bits) | 1,
                u64::MAX >> bits,
            ] {
                let mut bytes = Vec::new();
                put_uint(&mut bytes, value.into());
                let needed = (u64::BITS - value.leading_zeros()).div_ceil(7).max(1);
                assert_eq!(bytes.len(), needed as usize, "{value:#x}");
                assert_eq!(Reader(&bytes).small(), Ok(value), "{value:#x}");
            }
        }
    }

    #[test]
    fn a_frame_of_another_epoch_or_with_any_other_bit_is_none() {
        let mut bytes = Vec::new();
        put_frame(&mut bytes, 7, |out| put_text(out, "acme"));
        let read = next_frame(&bytes, 7);
        assert!(matches!(read, Ok(Some((_, 13)))), "as written: {read:?}");
        assert_eq!(next_frame(&bytes, 8), Err(Bad), "of another epoch");
        assert_eq!(next_frame(&[], 7), Ok(None), "the end");
        assert_eq!(next_frame(&[0; 64], 7), Err(Bad), "zeros");
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(next_frame(&other, 7), Err(Bad), "bit {bit} differs");
        }
        for length in 1..bytes.len() {
            assert_eq!(next_frame(&bytes[..length], 7), Err(Bad), "cut at {length}");
        }
    }
}
