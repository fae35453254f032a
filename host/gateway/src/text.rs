//! Text from callers, plugins and upstreams, made safe for receipts, refusals, log lines and terminals: cut to a maximum
//! length with a mark, and without line breaks and control characters.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;

/// Maximum length in bytes of a foreign text that a refusal quotes.
const MAX_QUOTED: usize = 120;

/// A foreign text of a bounded length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut(Box<str>);

/// A foreign text as a refusal quotes it: cut, and on one line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quoted<'a>(&'a str);

/// Returns whether a character starts a line, controls a terminal or changes the direction of the text around it.
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
}

/// Returns the text with the characters escaped for which `is_unsafe` returns true.
pub fn escaped(text: &str, is_unsafe: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unsafe(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// Returns a value that displays a foreign text as a quotation.
pub(crate) fn quote(text: &str) -> Quoted<'_> {
    Quoted(text)
}

/// Returns the length of a text in JSON in bytes.
pub(crate) fn in_json(text: &str) -> usize {
    if is_plain(text) {
        return text.len();
    }
    text.chars().map(written).sum()
}

/// Returns whether a text takes as many bytes in JSON as it has.
pub(crate) fn is_plain(text: &str) -> bool {
    // No early exit: the compiler makes vector instructions of it.
    let is_plain =
        |plain: bool, byte: &u8| plain & (*byte >= b' ') & (*byte != b'"') & (*byte != b'\\');
    text.as_bytes().iter().fold(true, is_plain)
}

/// Returns the length of a character in JSON in bytes.
fn written(character: char) -> usize {
    match character {
        '"' | '\\' => 2,
        '\0'..='\u{1f}' => 6,
        _ => character.len_utf8(),
    }
}

/// Splits a text after `most` bytes of JSON. Returns the first part and the length of the rest, or `None` if all of it fits.
fn split(text: &str, most: usize) -> Option<(&str, usize)> {
    // JSON takes at most six bytes for each byte of a character.
    if text.len() <= most / 6 || (text.len() <= most && is_plain(text)) {
        return None;
    }
    let mut bytes = 0;
    for (at, character) in text.char_indices() {
        bytes += written(character);
        if bytes > most {
            return Some((text.get(..at).unwrap_or_default(), text.len() - at));
        }
    }
    None
}

/// Keeps the beginning of a text, at most `most` bytes in JSON, and appends the number of bytes cut off.
pub(crate) fn cut(most: usize, text: &str) -> Cow<'_, str> {
    match split(text, most) {
        None => Cow::Borrowed(text),
        Some((kept, more)) => Cow::Owned(format!("{kept}… ({more} more bytes)")),
    }
}

// === impl Cut ===

impl Cut {
    /// Keeps the beginning of a text, at most `most` bytes in JSON, and appends the number of bytes cut off.
    pub fn to(most: usize, text: &str) -> Self {
        Self(cut(most, text).into())
    }
}

impl Deref for Cut {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<Cut> for String {
    fn from(cut: Cut) -> Self {
        cut.0.into()
    }
}

// === impl Quoted ===

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kept, more) =
            split(self.0, MAX_QUOTED).map_or((self.0, None), |(kept, more)| (kept, Some(more)));
        f.write_str(&escaped(kept, is_unsafe))?;
        match more {
            Some(more) => write!(f, "… ({more} more bytes)"),
            None => Ok(()),
        }
    }
}

/// Pico-USD in a dollar.
const PER_USD: u64 = 1_000_000_000_000;

/// Decimals of a dollar that are counted.
pub(crate) const USD_DECIMALS: usize = 12;

/// Parses dollars as a decimal such as `12.50`. Returns `None` for anything else.
pub(crate) fn picousd(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > USD_DECIMALS {
        return None;
    }
    let part: u64 = format!("{part:0<USD_DECIMALS$}").parse().ok()?;
    let whole: u64 = whole.parse().ok()?;
    whole.checked_mul(PER_USD)?.checked_add(part)
}

/// Returns pico-USD as dollars: exact, with at least two decimals.
pub(crate) fn usd(picousd: u64) -> String {
    let mut text = String::with_capacity(24);
    text.push('$');
    push_dollars(picousd, &mut text);
    text
}

/// Appends pico-USD as a number of dollars: exact, with at least two decimals.
pub(crate) fn push_dollars(picousd: u64, to: &mut String) {
    push_number(picousd / PER_USD, to);
    let mut decimals = itoa::Buffer::new();
    // A one in front keeps the zeros at the beginning.
    let decimals = decimals.format(PER_USD + picousd % PER_USD);
    let (cents, rest) = decimals.split_at(3);
    to.push('.');
    to.extend(cents.get(1..));
    to.push_str(rest.trim_end_matches('0'));
}

/// Appends a number.
pub(crate) fn push_number(number: u64, to: &mut String) {
    to.push_str(itoa::Buffer::new().format(number));
}

/// Returns an address as text.
pub(crate) fn address(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else {
        return address.to_string();
    };
    let mut text = String::with_capacity(16);
    for (index, octet) in address.octets().into_iter().enumerate() {
        if index > 0 {
            text.push('.');
        }
        push_number(u64::from(octet), &mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_by_its_length_in_json_and_says_so() {
        for (text, cut) in [
            ("short", "short"),
            ("ten bytes.", "ten bytes."),
            ("ten bytes.x", "ten bytes.… (1 more bytes)"),
            ("üüüüüüü", "üüüüü… (4 more bytes)"),
            ("\u{1}\u{1}", "\u{1}… (1 more bytes)"),
            ("\"\"\"\"\"\"", "\"\"\"\"\"… (1 more bytes)"),
        ] {
            assert_eq!(&*Cut::to(10, text), cut, "{text:?}");
        }
        assert_eq!(&*Cut::to(0, "x"), "… (1 more bytes)", "nothing of it");
    }

    #[test]
    fn a_quotation_is_one_line_of_bounded_length() {
        let quoted = quote("a\n\u{202e}b\u{2028}\u{85}").to_string();
        assert_eq!(quoted, "a\\n\\u{202e}b\\u{2028}\\u{85}");
        assert_eq!(
            quote(&"x".repeat(9000)).to_string().len(),
            MAX_QUOTED + "… (8880 more bytes)".len()
        );
    }

    #[test]
    fn dollars_are_read_exactly_or_not_at_all() {
        for (text, amount) in [
            ("0", Some(0)),
            ("2", Some(2 * PER_USD)),
            ("0.50", Some(PER_USD / 2)),
            ("0.000000000001", Some(1)),
            ("18446744.073709551615", Some(u64::MAX)),
            ("18446744.073709551616", None),
            ("0.0000000000001", None),
            ("", None),
            (".5", None),
            ("5.", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("1,5", None),
            ("$1", None),
            ("0.5, 0.6", None),
        ] {
            assert_eq!(picousd(text), amount, "{text}");
        }
    }
}
