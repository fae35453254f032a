//! Settings that are read without serde, for components that should be small.

use std::borrow::Cow;

use super::reader::join;
use super::{Problems, Table};
use crate::Glob;
use crate::json::{self, Json};

/// A type of a setting. [`settings!`](crate::settings!) and [`words!`](crate::words!) implement it for types of your own.
///
/// The default value takes the place of one that is wrong or missing, so that everything else is still checked. No plugin is
/// made of it.
pub trait Setting: Default {
    /// Reads a value at a path, or returns `None` after adding the problem.
    fn read(value: &Json<'_>, path: &str, problems: &mut Problems) -> Option<Self>;

    /// Returns the value of a setting that is absent, or `None` if it must not be.
    #[must_use]
    fn absent() -> Option<Self> {
        None
    }
}

/// A table of the settings while its values are taken.
#[derive(Debug)]
pub struct Fields<'a> {
    /// The entries, or `None` for something that is no table.
    entries: Option<&'a [(Cow<'a, str>, Json<'a>)]>,
    path: &'a str,
    problems: &'a mut Problems,
}

/// Reads a JSON value.
///
/// # Errors
///
/// Returns every problem, with its path.
pub fn of_json<T: Setting>(value: &Json<'_>) -> Result<T, Problems> {
    let (value, problems) = beside_problems(value);
    problems.or(value)
}

fn beside_problems<T: Setting>(value: &Json<'_>) -> (T, Problems) {
    let mut problems = Problems::default();
    let value = T::read(value, "", &mut problems);
    problems.tell_unknown();
    (value.unwrap_or_default(), problems)
}

/// Reads JSON text, and returns the problems beside the value.
///
/// # Errors
///
/// Returns the problem of a text that is not JSON.
#[doc(hidden)]
pub fn read<T: Setting>(json: &str) -> Result<(T, Problems), Problems> {
    match json::parse(json) {
        Ok(value) => Ok(beside_problems(&value)),
        Err(error) => Err(Problems::of("", error.to_string())),
    }
}

/// Reads a word of a list, and returns its index.
#[doc(hidden)]
pub fn choice(
    value: &Json<'_>,
    words: &[&str],
    path: &str,
    problems: &mut Problems,
) -> Option<usize> {
    let found = words.iter().position(|word| value.as_str() == Some(word));
    if found.is_none() {
        let mut message = "must be".to_owned();
        for (index, word) in words.iter().enumerate() {
            message.push_str(if index == 0 { " \"" } else { " or \"" });
            message.push_str(word);
            message.push('"');
        }
        problems.wrong(path, message);
    }
    found
}

/// Joins texts. The standard library's own function is half a kilobyte.
fn joined(parts: &[&str]) -> String {
    let mut text = String::new();
    for part in parts {
        text.push_str(part);
    }
    text
}

fn whole(value: &Json<'_>, most: u64, path: &str, problems: &mut Problems) -> Option<u64> {
    let number = value.as_u64().filter(|number| *number <= most);
    if number.is_none() {
        let wanted = match most {
            u64::MAX => "a whole number that is not negative".to_owned(),
            most => format!("a whole number from 0 to {most}"),
        };
        problems.wrong_type(path, &wanted, value);
    }
    number
}

// === impl Problems ===

impl Problems {
    /// Adds the problem of a value, whose place a default takes.
    pub fn wrong(&mut self, path: &str, message: impl Into<String>) {
        self.push(path, message);
        self.placeholders.push(path.to_owned());
    }

    /// Adds the problem of a value of another type than `wanted`.
    pub fn wrong_type(&mut self, path: &str, wanted: &str, found: &Json<'_>) {
        let found = match found {
            Json::Null => "nothing",
            Json::Bool(true) => "true",
            Json::Bool(false) => "false",
            Json::Number(number) => number,
            // It may be a secret in the wrong place.
            Json::Text(_) => "a string",
            Json::List(_) => "a list",
            Json::Table(_) => "a table",
        };
        self.wrong(path, joined(&["must be ", wanted, ", not ", found]));
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// Begins to read a table whose keys are `known`.
    pub fn of(
        value: &'a Json<'a>,
        known: &[&str],
        path: &'a str,
        problems: &'a mut Problems,
    ) -> Self {
        let entries = match value {
            Json::Table(entries) => Some(&**entries),
            other => {
                problems.wrong_type(path, "a table", other);
                None
            }
        };
        let names = entries.into_iter().flatten().map(|(name, _)| &**name);
        for unknown in names.filter(|name| !known.contains(name)) {
            problems.unknown.push(join(path, unknown));
        }
        Self {
            entries,
            path,
            problems,
        }
    }

    /// Returns whether the value is a table.
    #[must_use]
    pub fn are_there(&self) -> bool {
        self.entries.is_some()
    }

    /// Takes the value of a key, or of `absent` if there is none.
    pub fn take<T: Setting>(&mut self, key: &str, absent: Option<T>) -> T {
        let read = match self.find(key) {
            Some(value) => T::read(value, &join(self.path, key), self.problems),
            None => {
                let absent = absent.or_else(T::absent);
                if absent.is_none() {
                    self.miss(key);
                }
                absent
            }
        };
        read.unwrap_or_default()
    }

    fn find(&self, key: &str) -> Option<&'a Json<'a>> {
        let mut last_first = self.entries?.iter().rev();
        last_first.find_map(|(name, value)| (name == key).then_some(value))
    }

    fn miss(&mut self, key: &str) {
        if self.entries.is_some() {
            self.problems
                .push(self.path, joined(&["`", key, "` is missing"]));
            self.problems.placeholders.push(join(self.path, key));
        }
    }
}

// === impl Setting ===

impl Setting for String {
    fn read(value: &Json<'_>, path: &str, problems: &mut Problems) -> Option<Self> {
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            problems.wrong_type(path, "a string in quotes", value);
        }
        text
    }
}

impl Setting for Glob {
    fn read(value: &Json<'_>, path: &str, problems: &mut Problems) -> Option<Self> {
        String::read(value, path, problems).map(Self::new)
    }
}

impl Setting for bool {
    fn read(value: &Json<'_>, path: &str, problems: &mut Problems) -> Option<Self> {
        match value {
            Json::Bool(word) => Some(*word),
            other => {
                problems.wrong_type(path, "true or false", other);
                None
            }
        }
    }
}

macro_rules! whole_numbers {
    ($($number:ty)*) => {$(
        impl Setting for $number {
            fn read(value: &Json<'_>, path: &str, problems: &mut Problems) -> Option<Self> {
                let number = whole(value, <$number>::MAX.into(), path, problems)?;
                number.try_into().ok()
            }
        }
    )*};
}

whole_numbers! { u8 u16 u32 u64 }

impl<T: Setting> Setting for Option<T> {
    fn read(value: &Json<'_>, path: &str, problems: &mut Problems) -> Option<Self> {
        match value {
            Json::Null => Some(None),
            value => T::read(value, path, problems).map(Some),
        }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Setting> Setting for Box<T> {
    fn read(value: &Json<'_>, path: &str, problems: &mut Problems) -> Option<Self> {
        T::read(value, path, problems).map(Self::new)
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn read(value: &Json<'_>, path: &str, problems: &mut Problems) -> Option<Self> {
        let Json::List(elements) = value else {
            problems.wrong_type(path, "a list", value);
            return None;
        };
        let mut list = Self::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            let element = T::read(element, &format!("{path}[{index}]"), problems);
            list.push(element.unwrap_or_default());
        }
        Some(list)
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

impl<T: Setting> Setting for Table<T> {
    fn read(value: &Json<'_>, path: &str, problems: &mut Problems) -> Option<Self> {
        let Json::Table(entries) = value else {
            problems.wrong_type(path, "a table", value);
            return None;
        };
        let mut table = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            let value = T::read(value, &join(path, name), problems);
            table.push((name.to_string(), value.unwrap_or_default()));
        }
        Some(Self::from(table))
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

#[cfg(test)]
mod tests;
