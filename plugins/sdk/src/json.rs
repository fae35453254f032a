//! JSON texts, for values that a caller or an operator wrote.
//!
//! A reader that borrows from its text and leaves numbers as they are written. In a component it takes a tenth of the room of
//! `serde_json`. For a type of your own, see [`typed`](crate::typed).
//!
//! ```
//! use witgate_plugin::json::{self, Json};
//!
//! let value = json::parse(r#"{"team": "blue", "limit": 3}"#).unwrap();
//! assert_eq!(value.get("team").and_then(Json::as_str), Some("blue"));
//! assert_eq!(value.get("limit").and_then(Json::as_u64), Some(3));
//! ```

mod parser;

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it is written.
    Number(&'a str),
    /// A string without its escapes.
    Text(Cow<'a, str>),
    /// The elements of an array.
    List(Vec<Self>),
    /// The members of an object in their order. If two have the same name, the last one counts.
    Table(Vec<(Cow<'a, str>, Self)>),
}

/// The error of a text that is not JSON, or is nested more than 128 deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    at: usize,
}

/// Reads a JSON text.
///
/// # Errors
///
/// Returns the place of the first mistake.
pub fn parse(text: &str) -> Result<Json<'_>, Malformed> {
    parser::parse(text).map_err(|at| Malformed { at })
}

// === impl Json ===

impl<'a> Json<'a> {
    /// Returns the value of a member, or `None` if the value is not an object or has no such member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Table(members) = self else {
            return None;
        };
        let mut last_first = members.iter().rev();
        last_first.find_map(|(known, value)| (known == name).then_some(value))
    }

    /// Returns the string, or `None` if the value is none.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the number, or `None` if the value is not a whole number from 0 to 2^64 - 1, without exponent.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.parse().ok(),
            _ => None,
        }
    }
}

impl fmt::Display for Json<'_> {
    /// Writes the value as JSON text without blanks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(true) => f.write_str("true"),
            Self::Bool(false) => f.write_str("false"),
            Self::Number(number) => f.write_str(number),
            Self::Text(text) => quote(text, f),
            Self::List(elements) => {
                f.write_char('[')?;
                for (index, element) in elements.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "," })?;
                    element.fmt(f)?;
                }
                f.write_char(']')
            }
            Self::Table(members) => {
                f.write_char('{')?;
                for (index, (name, value)) in members.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "," })?;
                    quote(name, f)?;
                    f.write_char(':')?;
                    value.fmt(f)?;
                }
                f.write_char('}')
            }
        }
    }
}

fn quote(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for part in text.split_inclusive(is_special) {
        let mut plain = part.chars();
        match plain.next_back().filter(|last| is_special(*last)) {
            None => f.write_str(part)?,
            Some(special) => {
                f.write_str(plain.as_str())?;
                match special {
                    '\n' => f.write_str("\\n")?,
                    '"' => f.write_str("\\\"")?,
                    '\\' => f.write_str("\\\\")?,
                    other => write!(f, "\\u{:04x}", u32::from(other))?,
                }
            }
        }
    }
    f.write_char('"')
}

fn is_special(c: char) -> bool {
    c == '"' || c == '\\' || c < ' '
}

// === impl Malformed ===

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not JSON from byte {} on", self.at)
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests;
