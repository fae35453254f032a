//! Lenient reading of an upstream's objects: an unreadable member affects no other.

use std::borrow::Cow;

use super::number::whole_number;
use super::value::Value;
use super::walk::{Elements, Walk};
use super::{Kind, Scanner, unescape};

/// A value and its text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a [u8],
}

/// A member of a wrong type or size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Calls `read` with each member of an object, names unescaped. A repeated name is passed each time, so that the last one
/// counts, as in common JSON parsers. `read` returns the number of values it could not read; this function returns their sum.
///
/// # Errors
/// The sum so far, if the text is not an object or malformed somewhere.
pub(crate) fn members<'a>(
    json: &'a [u8],
    mut read: impl FnMut(&str, Found<'a>) -> u64,
) -> Result<u64, u64> {
    let Ok(mut walk) = Walk::new(json, Scanner::Fastest) else {
        return Err(0);
    };
    let mut unread = 0;
    loop {
        match walk.step() {
            Ok(Some(step)) => {
                // A name that does not unescape is not one of the names looked for.
                let name = step.meant(json).unwrap_or_default();
                unread += read(&name, Found::of(json, step.value));
            }
            Ok(None) => return Ok(unread),
            Err(_) => return Err(unread),
        }
    }
}

// === impl Found ===

impl<'a> Found<'a> {
    fn of(json: &'a [u8], value: Value) -> Self {
        Self {
            kind: value.kind,
            text: value.span.of(json),
        }
    }

    /// Reads a whole number. Returns `None` for `null`.
    pub(crate) fn count(self) -> Result<Option<u64>, Unreadable> {
        match self.kind {
            Kind::Null => Ok(None),
            Kind::Number => whole_number(self.text).map(Some).ok_or(Unreadable),
            _ => Err(Unreadable),
        }
    }

    /// Reads a string. Returns `None` for `null`.
    pub(crate) fn string(self) -> Result<Option<Cow<'a, str>>, Unreadable> {
        match self.kind {
            Kind::Null => Ok(None),
            Kind::String => {
                let inner = self.text.get(1..self.text.len() - 1).ok_or(Unreadable)?;
                let inner = std::str::from_utf8(inner).map_err(|_| Unreadable)?;
                unescape(inner).map(Some).map_err(|_| Unreadable)
            }
            _ => Err(Unreadable),
        }
    }

    /// Reads the members of an object; `null` has none. Returns the number of values that could not be read.
    pub(crate) fn object(self, read: impl FnMut(&str, Found<'a>) -> u64) -> u64 {
        match self.kind {
            Kind::Null => 0,
            Kind::Object => members(self.text, read).unwrap_or_else(|unread| unread + 1),
            _ => 1,
        }
    }

    /// Reads the elements of an array; `null` has none. Returns the number of values that could not be read.
    pub(crate) fn array(self, mut read: impl FnMut(&'a [u8]) -> u64) -> u64 {
        match self.kind {
            Kind::Null => 0,
            Kind::Array(_) => {
                let mut elements = Elements::new(self.text);
                let mut unread = 0;
                for element in elements.by_ref() {
                    unread += read(element);
                }
                unread + u64::from(!elements.is_whole())
            }
            _ => 1,
        }
    }
}

/// Stores a value if it was read. Returns the number of unreadable values, 0 or 1.
pub(crate) fn put<T>(place: &mut T, told: Result<Option<T>, Unreadable>) -> u64 {
    match told {
        Ok(Some(value)) => {
            *place = value;
            0
        }
        Ok(None) => 0,
        Err(Unreadable) => 1,
    }
}
