//! Cursors over the members of an object and the elements of an array.

use std::borrow::Cow;

use super::text::{Spelling, ending};
use super::value::{self, Span, Value, blank_end};
use super::{MAX_NAME, Malformed, MalformedKind, Scanner, unescape};

/// A member of the document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// The name as written, without its quotes.
    pub(crate) name: Span,
    pub(crate) spelling: Spelling,
    pub(crate) value: Value,
}

/// A cursor over the members of an object. After the last one, [`Walk::end`] is the end of the object.
#[derive(Debug, Clone)]
pub(crate) struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    place: Place,
    scanner: Scanner,
}

/// A cursor over the elements of an array.
#[derive(Debug, Clone)]
pub(crate) struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    First,
    Later,
    Done,
}

// === impl Step ===

impl Step {
    /// Returns the name with escapes resolved.
    ///
    /// # Errors
    /// As [`unescape`].
    pub(crate) fn meant<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, str>, usize> {
        match self.spelling {
            Spelling::Plain => Ok(Cow::Borrowed(self.name.text(bytes))),
            Spelling::Escaped => unescape(self.name.text(bytes)),
        }
    }
}

// === impl Walk ===

impl<'a> Walk<'a> {
    /// Starts at the object in `bytes`, which may follow blanks.
    pub(crate) fn new(bytes: &'a [u8], scanner: Scanner) -> Result<Self, Malformed> {
        let at = blank_end(bytes, 0);
        match bytes.get(at) {
            Some(b'{') => Ok(Self {
                bytes,
                at: at + 1,
                place: Place::First,
                scanner,
            }),
            Some(_) => Err(MalformedKind::NotAnObject.at(at)),
            None => Err(MalformedKind::Truncated.at(bytes.len())),
        }
    }

    /// Returns the current position: after the last member read, or after the object's closing brace.
    pub(crate) fn end(&self) -> usize {
        self.at
    }

    /// Returns the next member, or `None` after the last one.
    pub(crate) fn step(&mut self) -> Result<Option<Step>, Malformed> {
        let bytes = self.bytes;
        if self.place == Place::Done {
            return Ok(None);
        }
        let mut at = blank_end(bytes, self.at);
        match (bytes.get(at), self.place) {
            (Some(b'}'), _) => {
                self.at = at + 1;
                self.place = Place::Done;
                return Ok(None);
            }
            (Some(b','), Place::Later) => {
                at = blank_end(bytes, at + 1);
                if bytes.get(at) == Some(&b'}') {
                    return Err(MalformedKind::TrailingComma.at(at));
                }
            }
            (Some(_), Place::Later) => return Err(MalformedKind::MissingComma.at(at)),
            _ => {}
        }
        match bytes.get(at) {
            Some(b'"') => {}
            Some(_) => return Err(MalformedKind::MissingName.at(at)),
            None => return Err(MalformedKind::Truncated.at(bytes.len())),
        }
        let end = ending(bytes, at)?;
        let name = Span {
            start: at + 1,
            end: end.quote,
        };
        if name.len() > MAX_NAME {
            return Err(MalformedKind::NameTooLong.at(at));
        }
        at = blank_end(bytes, name.end + 1);
        match bytes.get(at) {
            Some(b':') => at = blank_end(bytes, at + 1),
            Some(_) => return Err(MalformedKind::MissingColon.at(at)),
            None => return Err(MalformedKind::Truncated.at(bytes.len())),
        }
        let value = value::read(bytes, at, self.scanner)?;
        self.at = value.span.end;
        self.place = Place::Later;
        Ok(Some(Step {
            name,
            spelling: end.spelling,
            value,
        }))
    }
}

// === impl Elements ===

impl<'a> Elements<'a> {
    /// Starts at the array that `bytes` begins with. There are no elements if it is anything else.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let place = if bytes.first() == Some(&b'[') {
            Place::First
        } else {
            Place::Done
        };
        Self {
            bytes,
            at: 1,
            place,
        }
    }
}

impl Elements<'_> {
    /// Returns the current position: after the last element read.
    pub(crate) fn end(&self) -> usize {
        self.at
    }

    /// Returns true if the array ends here. False if a malformed array has ended early.
    pub(crate) fn is_whole(&self) -> bool {
        self.bytes.get(blank_end(self.bytes, self.at)) == Some(&b']')
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    /// Returns the next element. A malformed array ends early.
    fn next(&mut self) -> Option<&'a [u8]> {
        let mut at = blank_end(self.bytes, self.at);
        match self.place {
            Place::Done => return None,
            Place::Later if self.bytes.get(at) == Some(&b',') => at = blank_end(self.bytes, at + 1),
            Place::Later => {
                self.place = Place::Done;
                return None;
            }
            Place::First => {}
        }
        let Ok(value) = value::read(self.bytes, at, Scanner::Fastest) else {
            self.place = Place::Done;
            return None;
        };
        self.at = value.span.end;
        self.place = Place::Later;
        Some(value.span.of(self.bytes))
    }
}
