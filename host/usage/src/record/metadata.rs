//! The metadata of a receipt, of which few values are asked for.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::scan;

/// The metadata of a receipt.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Metadata<'a> {
    /// There is none.
    #[default]
    None,
    /// An object as it is written.
    Written(&'a str),
    /// Any value.
    Read(Value),
}

// === impl Metadata ===

impl<'a> Metadata<'a> {
    /// Returns a value by its name. The dots of the name may have become objects.
    pub(super) fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        match self {
            Self::None => None,
            Self::Written(object) => match scan::member(object, name) {
                Some(found) => found.map(Cow::Borrowed),
                None => {
                    let read = serde_json::from_str(object).ok()?;
                    Some(Cow::Owned(text(&read, name)?.into_owned()))
                }
            },
            Self::Read(value) => text(value, name),
        }
    }

    pub(super) fn set(&mut self, object: &'a str) -> Option<()> {
        let is_new = *self == Self::None;
        is_new.then(|| *self = Self::Written(object))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Metadata<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Option::<Value>::deserialize(deserializer)?;
        Ok(value.map_or(Self::None, Self::Read))
    }
}

/// Returns the text of a value by its name.
fn text<'v>(value: &'v Value, name: &str) -> Option<Cow<'v, str>> {
    let found = find(value, name)?;
    match found {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(_) | Value::Bool(_) => Some(Cow::Owned(found.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns the value at a dotted name, whose parts may be members or objects.
pub(crate) fn find<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let object = value.as_object()?;
    if let Some(found) = object.get(name) {
        return Some(found);
    }
    name.match_indices('.').find_map(|(at, _)| {
        let (first, rest) = (name.get(..at)?, name.get(at + 1..)?);
        find(object.get(first)?, rest)
    })
}
