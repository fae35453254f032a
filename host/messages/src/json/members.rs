//! Reading objects of an upstream's answer member by member: what can't be read costs only itself.

use std::borrow::Cow;

use super::number::whole_number;
use super::value::Value;
use super::walk::{Elements, Walk};
use super::{Kind, Scanner, unescape};

/// A value that was found, with its text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a [u8],
}

/// A member that is of a type, or a size, that it can't have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Shows `read` the members of an object, names as they are meant. Of a name that comes twice each is shown, so the last one
/// counts, as with the JSON readers in use. `read` says how many values could not be read; this is their sum.
///
/// # Errors
/// Not an object, or one that is malformed somewhere: with the sum up to there.
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
                // A name that stands for no text is none that is looked for.
                let name = unescape(step.name.text(json)).unwrap_or_default();
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

    /// A whole number; none for `null`.
    pub(crate) fn count(self) -> Result<Option<u64>, Unreadable> {
        match self.kind {
            Kind::Null => Ok(None),
            Kind::Number => whole_number(self.text).map(Some).ok_or(Unreadable),
            _ => Err(Unreadable),
        }
    }

    /// A text; none for `null`.
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

    /// Its members, as an object; `null` has none. Says how many values could not be read.
    pub(crate) fn object(self, read: impl FnMut(&str, Found<'a>) -> u64) -> u64 {
        match self.kind {
            Kind::Null => 0,
            Kind::Object => members(self.text, read).unwrap_or_else(|unread| unread + 1),
            _ => 1,
        }
    }

    /// Its elements, as an array; `null` has none. Says how many values could not be read.
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

/// Puts a value in its place where it was told. Says whether it could not be read, as a number.
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
