//! Typed settings: text in, a plugin or every problem out.

mod reader;
mod stand_in;
mod wrong;

use crate::Plugin;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fmt;

/// Something wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where in `[settings]`, as a dotted path with indices in brackets: `rules[2].when`. Empty: the whole table.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Everything wrong with the settings, at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    /// Paths whose value is a stand-in, because the written one is wrong or missing.
    stand_ins: BTreeSet<String>,
}

/// Settings of a plugin that has nothing to set: every key is a problem.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct NoSettings {}

// === impl Problems ===

impl Problems {
    /// Note one more.
    pub fn push(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.list.push(Problem {
            path: path.into(),
            message: message.into(),
        });
    }

    /// Note what is wrong with `checked`, if anything, and go on with the rest.
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

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The value, if nothing is wrong.
    ///
    /// # Errors
    /// These problems, if there are any.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }

    /// The problems in the order they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }
}

impl Problems {
    /// Returns whether a path leads to a stand-in, or to something in one.
    fn is_in_stand_in(&self, path: &str) -> bool {
        self.stand_ins.iter().any(|stand_in| {
            path.strip_prefix(stand_in.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
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

/// Read a typed value from JSON text, strictly: all unknown keys, wrong types and missing keys are problems, with paths.
/// Settings are read this way; it serves for anything else that a caller has to spell right.
///
/// # Errors
/// Every problem found.
pub fn typed<T: DeserializeOwned>(json: &str) -> Result<T, Problems> {
    let (value, problems) = reader::read(json)?;
    problems.or(value)
}

/// Read the settings and make the plugin. What is wrong in one place does not hide what the plugin's own checks find in
/// others.
pub(crate) fn configure<P: Plugin>(json: &str) -> Result<P, Problems> {
    let (settings, mut problems) = reader::read(json)?;
    match P::configure(settings) {
        Ok(plugin) => problems.or(plugin),
        Err(found) => {
            for Problem { path, message } in found {
                // Why there is a stand-in has been said.
                if !problems.is_in_stand_in(&path) {
                    problems.push(path, message);
                }
            }
            Err(problems)
        }
    }
}

#[cfg(test)]
mod tests;
