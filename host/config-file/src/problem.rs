//! Problems of files, alone and as a list.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::path::is_within;

/// A problem in a file, with its place and its cure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Name of the file, as the caller gave it.
    pub file: String,
    /// Line, counted from 1, or `None` if the problem concerns no particular line.
    pub line: Option<usize>,
    /// Dotted path of the key, with indices in brackets. Empty for the file as a whole.
    pub path: String,
    /// Description of the mistake and of what to write instead.
    pub message: String,
}

/// A list of problems.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems {
    list: Vec<Problem>,
    /// Keys whose value was wrong or missing, so that a placeholder took its place.
    #[serde(skip)]
    placeholders: BTreeSet<String>,
}

// === impl Problems ===

impl Problems {
    /// Returns the one problem of a file that could not be read from disk.
    pub fn unreadable(file: &str, error: &std::io::Error) -> Self {
        Self::from(Problem {
            file: file.to_owned(),
            line: None,
            path: String::new(),
            message: format!("cannot be read: {error}"),
        })
    }

    /// Adds a problem, unless it concerns a placeholder: the value it replaced has been reported already.
    pub fn push(&mut self, problem: Problem) {
        let placeholder = |key: &String| is_within(&problem.path, key);
        if !self.placeholders.iter().any(placeholder) {
            self.list.push(problem);
        }
    }

    /// Appends the problems of another list.
    pub fn extend(&mut self, others: Self) {
        self.list.extend(others.list);
    }

    /// Returns whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns whether a problem concerns `key`, anything inside it, or the whole of a table around it.
    pub fn is_about(&self, key: &str) -> bool {
        let told = self
            .list
            .iter()
            .any(|problem| is_within(&problem.path, key));
        told || self
            .placeholders
            .iter()
            .any(|placeholder| is_within(placeholder, key) || is_within(key, placeholder))
    }

    /// Iterates over the problems.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// Turns a list with problems into an error.
    ///
    /// # Errors
    ///
    /// Returns the list itself, in order of lines, unless it is empty.
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.sorted())
        }
    }

    /// Records that a placeholder took the place of the value of `key`, and returns whether that is new.
    pub(crate) fn put_placeholder(&mut self, key: String) -> bool {
        self.placeholders.insert(key)
    }

    /// Returns whether a placeholder took the place of the value of `key`.
    pub(crate) fn has_placeholder(&self, key: &str) -> bool {
        self.placeholders.contains(key)
    }

    /// Sorts the problems by file and line.
    pub(crate) fn sorted(mut self) -> Self {
        self.list
            .sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        self
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self {
            list: vec![problem],
            placeholders: BTreeSet::new(),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

// === impl Problem ===

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.path.is_empty() {
            write!(f, ": `{}`", self.path)?;
        }
        write!(f, ": {}", self.message)
    }
}
