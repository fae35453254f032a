//! The problem with one value, in the words of people who write settings.
//!
//! The message never repeats a text value: it may be a secret in the wrong place.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::json::Json;

/// The reason why a value could not be read. A pointer, because every function of a type that is read returns it.
#[derive(Debug)]
pub(super) struct ValueError(pub(super) Box<Wrong>);

/// A value that could not be read.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Path of the value, or `None` until a reader that knows it adds it.
    pub(super) path: Option<String>,
    /// Key that is missing in the table at `path`, or `None` if the reason is another one.
    pub(super) missing: Option<&'static str>,
    pub(super) message: String,
}

// === impl ValueError ===

impl ValueError {
    /// Adds the path, unless the error has one already.
    pub(super) fn at(mut self, path: &str) -> Self {
        self.0.path.get_or_insert_with(|| path.to_owned());
        self
    }

    /// Moves the error to another path.
    pub(super) fn move_to(mut self, path: &str) -> Self {
        self.0.path = Some(path.to_owned());
        self.0.missing = None;
        self
    }

    pub(super) fn wrong_type(found: &Json<'_>, wanted: &dyn Expected) -> Self {
        let found = match found {
            Json::Null => "nothing",
            Json::Bool(true) => "true",
            Json::Bool(false) => "false",
            Json::Number(number) => number,
            Json::Text(_) => "a string",
            Json::List(_) => "a list",
            Json::Table(_) => "a table",
        };
        Self::new(format!("must be {}, not {found}", name(wanted)))
    }

    fn shown(message: &dyn fmt::Display) -> Self {
        Self::new(message.to_string())
    }

    fn new(message: String) -> Self {
        Self(Box::new(Wrong {
            path: None,
            missing: None,
            message,
        }))
    }
}

impl de::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::shown(&message)
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::new(format!("must be {}, not {}", name(wanted), kind(found)))
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        match found {
            // The type is right, so only the expected values are worth naming.
            Unexpected::Str(_) => Self::new(format!("must be {}", name(wanted))),
            found => Self::invalid_type(found, wanted),
        }
    }

    fn unknown_variant(_: &str, variants: &'static [&'static str]) -> Self {
        let mut message = "must be".to_owned();
        for (index, word) in variants.iter().enumerate() {
            message.push_str(if index == 0 { " \"" } else { " or \"" });
            message.push_str(word);
            message.push('"');
        }
        Self::new(message)
    }

    fn missing_field(key: &'static str) -> Self {
        let mut wrong = Self::new(format!("`{key}` is missing"));
        wrong.0.missing = Some(key);
        wrong
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for ValueError {}

/// Translates serde's name of a type for people who write settings.
fn name(wanted: &dyn Expected) -> String {
    let wanted = wanted.to_string();
    let name = match wanted.as_str() {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number that is not negative",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "a borrowed string" | "path string" => "a string in quotes",
        "a sequence" => "a list",
        "a map" => "a table",
        table if table.starts_with("struct ") => "a table",
        choice if choice.starts_with("enum ") => "a word in quotes",
        other => other,
    };
    name.to_owned()
}

/// Returns the value's kind, or a short value itself. A fraction would need the code that writes one.
fn kind(found: Unexpected<'_>) -> Cow<'_, str> {
    let kind = match found {
        Unexpected::Unsigned(number) => return number.to_string().into(),
        Unexpected::Signed(number) => return number.to_string().into(),
        Unexpected::Bool(true) => "true",
        Unexpected::Bool(false) => "false",
        Unexpected::Other(other) => other,
        Unexpected::Float(_) => "a fraction",
        Unexpected::Str(_) | Unexpected::Char(_) | Unexpected::Bytes(_) => "a string",
        Unexpected::Seq | Unexpected::TupleVariant => "a list",
        Unexpected::Map | Unexpected::StructVariant => "a table",
        Unexpected::Unit | Unexpected::Option => "nothing",
        Unexpected::UnitVariant | Unexpected::Enum => "a word",
        Unexpected::NewtypeStruct | Unexpected::NewtypeVariant => "a value",
    };
    kind.into()
}
