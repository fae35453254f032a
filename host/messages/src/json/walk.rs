//! Cursors over the members of an object and the elements of an array.

use super::text::closing_quote;
use super::value::{self, Span, Value, blank_end};
use super::{MAX_NAME, Malformed, MalformedKind, Scanner};

/// One member as it stands in the document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// The name, without its quotes, as written.
    pub(crate) name: Span,
    pub(crate) value: Value,
}

/// Reads an object member by member. After the last one, [`Walk::end`] is where the object ends.
#[derive(Debug, Clone)]
pub(crate) struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    place: Place,
    scanner: Scanner,
}

/// Reads an array element by element.
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

// === impl Walk ===

impl<'a> Walk<'a> {
    /// Begins at the object in `bytes`, blanks before it allowed.
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

    /// Where the walk stands: after the last member that was read, or after the object's closing brace.
    pub(crate) fn end(&self) -> usize {
        self.at
    }

    /// The next member; none after the last one.
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
        let name = Span {
            start: at + 1,
            end: closing_quote(bytes, at)?,
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
        Ok(Some(Step { name, value }))
    }
}

// === impl Elements ===

impl<'a> Elements<'a> {
    /// Begins at the array that `bytes` starts with; no elements when it is something else.
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
    /// Where the reading stands: after the last element that was read.
    pub(crate) fn end(&self) -> usize {
        self.at
    }

    /// Whether what follows is the array's end. False after an array that is malformed has ended early.
    pub(crate) fn is_whole(&self) -> bool {
        self.bytes.get(blank_end(self.bytes, self.at)) == Some(&b']')
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    /// The next element. An array that is malformed ends early.
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
