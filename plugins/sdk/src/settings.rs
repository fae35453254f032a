//! Typed settings: text in, a plugin or every problem out.

use crate::Plugin;
use serde::Deserialize;
use serde::de::DeserializeOwned;
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
pub struct Problems(Vec<Problem>);

/// Settings of a plugin that has nothing to set: every key is a problem.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct NoSettings {}

// === impl Problems ===

impl Problems {
    /// Note one more.
    pub fn push(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem {
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
        self.0.is_empty()
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
        self.0.iter()
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings are wrong")?;
        self.0
            .iter()
            .try_for_each(|Problem { path, message }| write!(f, "; {path}: {message}"))
    }
}

impl std::error::Error for Problems {}

/// Read a typed value from JSON text, strictly: all unknown keys and the first wrong type are problems, with paths.
/// Settings are read this way; it serves for anything else that a caller has to spell right.
///
/// # Errors
/// Every problem found.
pub fn typed<T: DeserializeOwned>(json: &str) -> Result<T, Problems> {
    let (value, problems) = read(json)?;
    problems.or(value)
}

/// Read the settings and make the plugin. Unknown keys do not hide what the plugin's own checks find.
pub(crate) fn configure<P: Plugin>(json: &str) -> Result<P, Problems> {
    let (settings, mut problems) = read(json)?;
    match P::configure(settings) {
        Ok(plugin) => problems.or(plugin),
        Err(found) => {
            problems.0.extend(found);
            Err(problems)
        }
    }
}

/// The value, beside its unknown keys.
fn read<T: DeserializeOwned>(json: &str) -> Result<(T, Problems), Problems> {
    let mut problems = Problems::default();
    let mut track = serde_path_to_error::Track::new();
    let mut json = serde_json::Deserializer::from_str(json);

    let value = {
        let paths = serde_path_to_error::Deserializer::new(&mut json, &mut track);
        let mut unknown =
            |path: serde_ignored::Path<'_>| problems.push(place(&path), "unknown key");
        T::deserialize(serde_ignored::Deserializer::new(paths, &mut unknown))
    };
    match value {
        Ok(value) => Ok((value, problems)),
        Err(error) => {
            let path = track.path().to_string();
            let path = if path == "." { String::new() } else { path };
            problems.push(path, message(&error));
            Err(problems)
        }
    }
}

/// The error without serde_json's line and column: they would be those of the host's JSON, not of the file.
fn message(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    if let Some(at) = text.rfind(" at line ") {
        text.truncate(at);
    }
    text
}

/// A path in the words of [`Problem::path`].
fn place(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", place(parent)),
        Path::Map { parent, key } => match place(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => place(parent),
    }
}

#[cfg(test)]
mod tests;
