//! Strings: their ends and their contents.

use std::borrow::Cow;

use super::{Malformed, MalformedKind, portable};

/// The words of a string that are looked at before a search for its end.
const NEAR_WORDS: usize = 4;

/// The end of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ending {
    /// The position of the closing quote.
    pub(crate) quote: usize,
    pub(crate) spelling: Spelling,
}

/// The way in which a string is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// As what it means.
    Plain,
    /// With escapes.
    Escaped,
}

/// Returns the position of the closing quote of the string that opens at `start`.
///
/// Checks the spelling of escapes and refuses control characters, as any JSON parser does.
pub(crate) fn closing_quote(bytes: &[u8], start: usize) -> Result<usize, Malformed> {
    ending(bytes, start).map(|ending| ending.quote)
}

/// Returns the end of the string that opens at `start`, with the checks of [`closing_quote`].
pub(crate) fn ending(bytes: &[u8], start: usize) -> Result<Ending, Malformed> {
    let mut spelling = Spelling::Plain;
    let mut at = start + 1;
    at += plain(bytes.get(at..).unwrap_or_default());
    loop {
        if bytes.get(at) == Some(&b'"') {
            return Ok(Ending {
                quote: at,
                spelling,
            });
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(found) = memchr::memchr2(b'"', b'\\', rest) else {
            no_control(rest, at)?;
            return Err(MalformedKind::UnterminatedString.at(bytes.len()));
        };
        no_control(rest.get(..found).unwrap_or_default(), at)?;
        at += found;
        if bytes.get(at) == Some(&b'\\') {
            spelling = Spelling::Escaped;
            at = escape_end(bytes, at)?;
        }
    }
}

/// Returns the length of the plain text that `bytes` begins with, as far as the first words show it. Names and most values end
/// within these, which costs less than a call of a search.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let mut length = 0;
    for word in words.iter().take(NEAR_WORDS) {
        let special = portable::special(*word);
        if special != 0 {
            return length + special.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    length
}

/// Returns the position of the closing quote without any check, or `None` if the string does not end.
pub(crate) fn closing_quote_anyhow(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

/// Unescapes a raw string, without its quotes, whose escapes [`closing_quote`] has accepted.
///
/// # Errors
/// The position of an unpaired surrogate escape, which is no character and which parsers treat differently.
pub(crate) fn unescape(raw: &str) -> Result<Cow<'_, str>, usize> {
    let Some(first) = memchr::memchr(b'\\', raw.as_bytes()) else {
        return Ok(Cow::Borrowed(raw));
    };
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    let mut next = Some(first);
    while let Some(at) = next {
        let (plain, escape) = rest.split_at(at);
        text.push_str(plain);
        let place = raw.len() - escape.len();
        let (character, length) = unescape_one(escape).ok_or(place)?;
        text.push(character);
        rest = escape.get(length..).unwrap_or_default();
        next = memchr::memchr(b'\\', rest.as_bytes());
    }
    text.push_str(rest);
    Ok(Cow::Owned(text))
}

/// Returns the text of a raw string, without its quotes. What is no text, half a surrogate pair for instance, becomes U+FFFD.
pub(crate) fn unescape_lossy(raw: &[u8]) -> Cow<'_, str> {
    let text = match simdutf8::basic::from_utf8(raw) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(raw),
    };
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return text;
    }
    let mut decoded = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let (plain, escape) = rest.split_at(at);
        decoded.push_str(plain);
        let (character, length) = unescape_one(escape).unwrap_or_else(|| {
            let unit = escape.as_bytes().get(1) == Some(&b'u');
            (char::REPLACEMENT_CHARACTER, if unit { 6 } else { 2 })
        });
        decoded.push(character);
        rest = escape.get(length..).unwrap_or_default();
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// Returns the character of the escape that `text` begins with, and the escape's length in bytes.
fn unescape_one(text: &str) -> Option<(char, usize)> {
    let character = match text.as_bytes().get(1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let unit = hex_unit(text, 2)?;
            let mut units = [unit, 0];
            let (units, length) = match unit {
                0xd800..0xdc00 => {
                    text.get(6..8).filter(|escape| *escape == "\\u")?;
                    units = [unit, hex_unit(text, 8)?];
                    (units.as_slice(), 12)
                }
                _ => (units.get(..1)?, 6),
            };
            let character = char::decode_utf16(units.iter().copied()).next()?.ok()?;
            return Some((character, length));
        }
        other => char::from(*other),
    };
    Some((character, 2))
}

fn hex_unit(text: &str, at: usize) -> Option<u16> {
    u16::from_str_radix(text.get(at..at + 4)?, 16).ok()
}

/// Returns the end of the escape at `at`.
fn escape_end(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    let Some(kind) = bytes.get(at + 1) else {
        return Err(MalformedKind::UnterminatedString.at(bytes.len()));
    };
    match kind {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 2),
        b'u' => {
            for digit in at + 2..at + 6 {
                match bytes.get(digit) {
                    Some(byte) if byte.is_ascii_hexdigit() => {}
                    Some(_) => return Err(MalformedKind::BadEscape.at(at)),
                    None => return Err(MalformedKind::UnterminatedString.at(bytes.len())),
                }
            }
            Ok(at + 6)
        }
        _ => Err(MalformedKind::BadEscape.at(at)),
    }
}

fn no_control(text: &[u8], start: usize) -> Result<(), Malformed> {
    // Without an early exit the compiler vectorises the loop.
    if text
        .iter()
        .fold(false, |found, byte| found | (*byte < 0x20))
    {
        let place = text
            .iter()
            .position(|byte| *byte < 0x20)
            .unwrap_or_default();
        return Err(MalformedKind::ControlCharacter.at(start + place));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
