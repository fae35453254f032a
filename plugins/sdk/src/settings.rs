//! Typed settings: JSON text in, a plugin or every problem out.

mod declare;
mod reader;
mod setting;
mod table;
mod value_error;

pub use setting::{Fields, Setting, of_json};
#[doc(hidden)]
pub use setting::{choice, read};
pub use table::Table;

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Plugin;

/// A problem of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Path in `[settings]`, dotted and with indices in brackets: `rules[2].when`. Empty for the whole table.
    pub path: String,
    /// Description of the mistake and of what to write instead.
    pub message: String,
}

/// A list of problems of the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    /// Paths whose value was wrong or missing, so that a placeholder took its place.
    placeholders: Vec<String>,
    /// Paths of keys that no type knows, which are told after everything else.
    unknown: Vec<String>,
}

/// A type that an operator's settings, or other JSON that has to be spelled right, are read into.
///
/// Every type that serde can deserialize implements it, and so do the types of [`settings!`](crate::settings!), which take
/// less room in a component.
pub trait Typed: Sized {
    /// Reads JSON text, and returns the problems beside the value.
    ///
    /// # Errors
    ///
    /// Returns every problem, if no value can be made despite them.
    fn read_json(json: &str) -> Result<(Self, Problems), Problems>;
}

/// The settings of a plugin without settings. Every key is a problem.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct NoSettings {}

// === impl Problems ===

impl Problems {
    /// Adds a problem.
    pub fn push(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.add(path.into(), message.into());
    }

    /// Adds a problem. Not a part of `push`, whose code exists once for each pair of types.
    #[inline(never)]
    fn add(&mut self, path: String, message: String) {
        self.list.push(Problem { path, message });
    }

    /// Returns the value of `checked`, or adds its error and returns `None`.
    pub fn note<T>(
        &mut self,
        path: impl Into<String>,
        checked: Result<T, impl Into<String>>,
    ) -> Option<T> {
        match checked {
            Ok(value) => Some(value),
            Err(message) => {
                self.push(path, message);
                None
            }
        }
    }

    /// Returns whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the value, if there are no problems.
    ///
    /// # Errors
    ///
    /// Returns the problems, if there are any.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }

    /// Iterates over the problems in the order in which they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }
}

impl Problems {
    /// Returns whether a path leads to a placeholder, or to something in one.
    fn is_in_placeholder(&self, path: &str) -> bool {
        self.placeholders.iter().any(|placeholder| {
            path.strip_prefix(placeholder.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }
}

impl Problems {
    fn of(path: &str, message: String) -> Self {
        let mut problems = Self::default();
        problems.push(path, message);
        problems
    }

    /// Adds the problems of unknown keys.
    fn tell_unknown(&mut self) {
        for path in std::mem::take(&mut self.unknown) {
            self.push(path, "unknown key");
        }
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings are wrong")?;
        self.list
            .iter()
            .try_for_each(|Problem { path, message }| match path.as_str() {
                "" => write!(f, "; {message}"),
                path => write!(f, "; {path}: {message}"),
            })
    }
}

impl std::error::Error for Problems {}

/// Reads a typed value from JSON text. Unknown keys, wrong types and missing keys are all problems.
///
/// Settings are read this way. The function also suits other JSON that a caller must spell right.
///
/// # Errors
///
/// Returns every problem, with its path.
pub fn typed<T: Typed>(json: &str) -> Result<T, Problems> {
    let (value, problems) = T::read_json(json)?;
    problems.or(value)
}

/// Reads the settings and makes the plugin. Reports the problems of the plugin's own checks together with those of the
/// types.
pub(crate) fn configure<P: Plugin>(json: &str) -> Result<P, Problems> {
    let (settings, mut problems) = P::Settings::read_json(json)?;
    match P::configure(settings) {
        Ok(plugin) => problems.or(plugin),
        Err(found) => {
            for Problem { path, message } in found {
                // The value that a placeholder replaced has been reported already.
                if !problems.is_in_placeholder(&path) {
                    problems.push(path, message);
                }
            }
            Err(problems)
        }
    }
}

// === impl Typed ===

impl<T: DeserializeOwned> Typed for T {
    fn read_json(json: &str) -> Result<(Self, Problems), Problems> {
        reader::read(json)
    }
}

#[cfg(test)]
mod tests;
