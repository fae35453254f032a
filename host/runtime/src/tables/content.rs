//! The content of a table, and the formats that it is read from.
//!
//! An error names a line and never shows what is written there, because a table may hold secrets.

mod csv;

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use self::csv::Csv;

/// The format of a table's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// A JSON object.
    Json,
    /// Lines of a key and a value (RFC 4180).
    Csv,
    /// Lines of a key.
    Lines,
}

/// The entries of a table.
#[derive(Debug)]
pub(super) struct Content {
    entries: HashMap<Box<str>, Box<str>>,
    bytes: usize,
}

/// The entries while they are read.
struct Entries {
    map: HashMap<Box<str>, Box<str>>,
    most: usize,
}

// === impl Content ===

impl Content {
    /// Reads at most `most` entries.
    ///
    /// # Errors
    ///
    /// A description of the mistake, for the operator.
    pub(super) fn read(bytes: &[u8], format: Format, most: usize) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
        // Some editors begin a file with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let entries = Entries {
            map: HashMap::new(),
            most,
        };
        let map = match format {
            Format::Json => entries.read_json(text)?,
            Format::Csv => entries.read_csv(text)?,
            Format::Lines => entries.read_lines(text)?,
        };
        Ok(Self {
            entries: map,
            bytes: bytes.len(),
        })
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(|value| &**value)
    }

    /// Returns the number of entries.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the size of the source in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

// === impl Entries ===

impl Entries {
    /// Adds an entry.
    ///
    /// # Errors
    ///
    /// The key is empty or known, or there are too many.
    fn add(&mut self, key: Box<str>, value: Box<str>) -> Result<(), String> {
        if key.is_empty() {
            return Err("the key is empty".to_owned());
        }
        if self.map.insert(key, value).is_some() {
            return Err("the key is there twice".to_owned());
        }
        self.check_len()
    }

    fn check_len(&self) -> Result<(), String> {
        match self.map.len() > self.most {
            true => Err(format!(
                "it has more than {} entries; raise `max_entries` in the sidecar",
                self.most
            )),
            false => Ok(()),
        }
    }

    fn read_json(self, text: &str) -> Result<HashMap<Box<str>, Box<str>>, String> {
        if !text.trim_start().starts_with('{') {
            return Err("it is not a JSON object".to_owned());
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let read = json.deserialize_map(self);
        read.and_then(|map| json.end().map(|()| map))
            .map_err(|error| error.to_string())
    }

    fn read_csv(mut self, text: &str) -> Result<HashMap<Box<str>, Box<str>>, String> {
        let mut csv = Csv::new(text);
        while let Some((line, fields)) = csv.record()? {
            let at = |error: String| format!("line {line}: {error}");
            let count = fields.len();
            let Ok([key, value]) = <[_; 2]>::try_from(fields) else {
                let error = format!("it has {count} fields instead of a key and a value");
                return Err(at(error));
            };
            self.add(key.into(), value.into()).map_err(at)?;
        }
        Ok(self.map)
    }

    fn read_lines(mut self, text: &str) -> Result<HashMap<Box<str>, Box<str>>, String> {
        let lines = text.lines().map(str::trim);
        for key in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            // A list may name a thing twice.
            self.map.insert(key.into(), "".into());
            self.check_len()?;
        }
        Ok(self.map)
    }
}

impl<'de> Visitor<'de> for Entries {
    type Value = HashMap<Box<str>, Box<str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some((key, value)) = map.next_entry::<Box<str>, &'de RawValue>()? {
            let value = text_of(value.get()).ok_or_else(|| A::Error::custom("a value is null"))?;
            self.add(key, value).map_err(A::Error::custom)?;
        }
        Ok(self.map)
    }
}

/// Returns a string's text, or the JSON text of any other value. `None` is `null`.
fn text_of(json: &str) -> Option<Box<str>> {
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).ok(),
        Some(b'n') => None,
        Some(_) | None => Some(json.into()),
    }
}

#[cfg(test)]
mod tests;
