//! A TOML file that knows the line of every key.

mod place;

use serde::de::DeserializeOwned;

use crate::problem::{Problem, Problems};
use crate::reader;

use self::place::Step;
pub(crate) use self::place::{Place, Shape};

/// A parsed TOML file that knows the line of every key.
#[derive(Debug, Clone)]
pub struct Document {
    file: String,
    text: String,
    root: toml_edit::Document<String>,
}

// === impl Document ===

impl Document {
    /// Parses a file's text.
    ///
    /// # Errors
    ///
    /// Returns the syntax error, with its line, if the text is not TOML.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        match toml_edit::Document::parse(text.to_owned()) {
            Ok(root) => Ok(Self {
                file: file.to_owned(),
                text: text.to_owned(),
                root,
            }),
            Err(error) => Err(Problems::from(Problem {
                file: file.to_owned(),
                line: error.span().map(|span| line_of(text, span.start)),
                path: String::new(),
                message: error.message().to_owned(),
            })),
        }
    }

    /// Reads the document into `T`. Unknown keys are problems.
    ///
    /// # Errors
    ///
    /// Returns every unknown key, every missing key and every value of a wrong type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Problems> {
        let (value, problems) = self.read_known()?;
        problems.into_result().map(|()| value)
    }

    /// Reads the document into `T` and returns its problems beside it, so that a caller with further checks can report
    /// everything together.
    ///
    /// A placeholder takes the place of each wrong or missing value, and [`Problems::push`] ignores complaints about
    /// placeholders. Use a value that has problems for further checks only.
    ///
    /// # Errors
    ///
    /// Returns every problem, if no value of type `T` can be made despite placeholders.
    pub fn read_known<T: DeserializeOwned>(&self) -> Result<(T, Problems), Problems> {
        let (value, problems) = reader::read(self);
        match value {
            Some(value) => Ok((value, problems)),
            None => Err(problems.sorted()),
        }
    }

    /// Returns the root table.
    pub(crate) fn root(&self) -> Place<'_> {
        Place::Table(self.root.as_table())
    }

    /// Returns the line of a key, or of the nearest table above it that exists. Returns `None` if no part of the path
    /// exists.
    pub fn locate(&self, path: &str) -> Option<usize> {
        let mut span = None;
        let mut at = self.root();
        for step in Step::of(path) {
            let Some((key, next)) = at.step(&step) else {
                break;
            };
            span = key.or_else(|| next.span()).or(span);
            at = next;
        }
        span.map(|span| line_of(&self.text, span.start))
    }

    /// Returns a problem with the key at `path`, with its line.
    pub fn problem(&self, path: &str, message: impl Into<String>) -> Problem {
        Problem {
            file: self.file.clone(),
            line: self.locate(path),
            path: path.to_owned(),
            message: message.into(),
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}
