//! Values: their extent and their kind.

use super::container::{self, Container};
use super::text::closing_quote;
use super::{Malformed, MalformedKind, Scanner};

/// The span of a text in its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    Number,
    True,
    False,
    Null,
    Object,
    /// An array, with the number of its elements.
    Array(usize),
}

/// A value that was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
    /// Bytes of base64 and similar data in it.
    pub(crate) solid: usize,
}

/// Skips the value at `start`.
pub(crate) fn read(bytes: &[u8], start: usize, scanner: Scanner) -> Result<Value, Malformed> {
    let Some(first) = bytes.get(start) else {
        return Err(MalformedKind::Truncated.at(bytes.len()));
    };
    let (kind, end, solid) = match first {
        b'"' => (Kind::String, closing_quote(bytes, start)? + 1, 0),
        b'{' => {
            let object = container::skip(bytes, start, scanner)?;
            (Kind::Object, object.end, object.solid)
        }
        b'[' => {
            let array = container::skip(bytes, start, scanner)?;
            (
                Kind::Array(elements(bytes, start, array)),
                array.end,
                array.solid,
            )
        }
        b't' => (Kind::True, word(bytes, start, b"true")?, 0),
        b'f' => (Kind::False, word(bytes, start, b"false")?, 0),
        b'n' => (Kind::Null, word(bytes, start, b"null")?, 0),
        b'-' | b'0'..=b'9' => (Kind::Number, number(bytes, start)?, 0),
        _ => return Err(MalformedKind::BadValue.at(start)),
    };
    Ok(Value {
        span: Span { start, end },
        kind,
        solid,
    })
}

/// Returns the end of the blanks from `at` on.
pub(crate) fn blank_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

fn elements(bytes: &[u8], start: usize, array: Container) -> usize {
    let empty = array.commas == 0 && blank_end(bytes, start + 1) + 1 == array.end;
    if empty { 0 } else { array.commas + 1 }
}

fn word(bytes: &[u8], start: usize, word: &[u8]) -> Result<usize, Malformed> {
    let rest = bytes.get(start..).unwrap_or_default();
    if rest.starts_with(word) {
        return Ok(start + word.len());
    }
    let kind = if word.starts_with(rest) {
        MalformedKind::Truncated.at(bytes.len())
    } else {
        MalformedKind::BadValue.at(start)
    };
    Err(kind)
}

fn number(bytes: &[u8], start: usize) -> Result<usize, Malformed> {
    let mut at = start + usize::from(bytes.get(start) == Some(&b'-'));
    if bytes.get(at) == Some(&b'0') {
        at += 1;
    } else {
        at = digits(bytes, start, at)?;
    }
    if bytes.get(at) == Some(&b'.') {
        at = digits(bytes, start, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        at = digits(bytes, start, at)?;
    }
    Ok(at)
}

/// Returns the end of the digits from `at` on, of which there must be at least one.
fn digits(bytes: &[u8], start: usize, at: usize) -> Result<usize, Malformed> {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.iter().position(|byte| !byte.is_ascii_digit()) {
        Some(0) => Err(MalformedKind::BadValue.at(start)),
        None if rest.is_empty() => Err(MalformedKind::Truncated.at(bytes.len())),
        Some(length) => Ok(at + length),
        None => Ok(bytes.len()),
    }
}

impl Span {
    /// Returns the bytes of the span.
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Returns the text of the span. Spans begin and end at ASCII, so valid UTF-8 stays valid when cut at them.
    pub(crate) fn text(self, bytes: &[u8]) -> &str {
        simdutf8::basic::from_utf8(self.of(bytes)).unwrap_or_default()
    }

    pub(crate) fn len(self) -> usize {
        self.end - self.start
    }

    /// Returns the span of a string without its quotes.
    pub(crate) fn unquoted(self) -> Self {
        Self {
            start: self.start + 1,
            end: self.end - 1,
        }
    }

    /// Returns the same span, relative to a document in which this one begins at `start`.
    pub(crate) fn within(self, start: usize) -> Self {
        Self {
            start: self.start + start,
            end: self.end + start,
        }
    }
}
