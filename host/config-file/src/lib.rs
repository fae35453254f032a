//! Problems in files that people write: all at once, each with its file and line.
//!
//! [`Document`] keeps the place of every key of a TOML file, so that a problem found much later, for instance by a
//! plugin in its settings, can still name the line. A wrong or missing value is reported and replaced by a stand-in, so
//! that it hides no other one. The functions are not about plugins: a host may use them for its own configuration.

mod document;
mod reader;
mod wrong;

pub use document::Document;

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fmt;

/// Something wrong in a file, with what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file, as it was named by whoever read it.
    pub file: String,
    /// The line, from 1; none when the problem is of no line.
    pub line: Option<usize>,
    /// Dotted path of the key, indices in brackets; empty for the file as a whole.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Everything that is wrong, in order of lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems {
    list: Vec<Problem>,
    /// The keys whose value is a stand-in, because the written one is wrong or missing.
    #[serde(skip)]
    stand_ins: BTreeSet<String>,
}

/// Reads a file's text into `T`. Unknown keys are problems.
///
/// # Errors
///
/// Every unknown key, every value of a wrong type and every missing key.
pub fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Problems> {
    Document::parse(file, text)?.read()
}

/// The path of a key in a table.
fn join(table: &str, key: &str) -> String {
    if table.is_empty() {
        key.to_owned()
    } else {
        format!("{table}.{key}")
    }
}

/// Returns whether a path is that of `key`, or leads to something inside it.
fn is_within(path: &str, key: &str) -> bool {
    path.strip_prefix(key)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

// === impl Problems ===

impl Problems {
    /// The only problem of a file that can't be read at all.
    pub fn unreadable(file: &str, error: &std::io::Error) -> Self {
        Self::from(Problem {
            file: file.to_owned(),
            line: None,
            path: String::new(),
            message: format!("cannot be read: {error}"),
        })
    }

    /// Adds one, unless it is about a stand-in: why there is one has been said.
    pub fn push(&mut self, problem: Problem) {
        let stand_in = |key: &String| is_within(&problem.path, key);
        if !self.stand_ins.iter().any(stand_in) {
            self.list.push(problem);
        }
    }

    /// Takes over those of another list.
    pub fn extend(&mut self, others: Self) {
        self.list.extend(others.list);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns whether something is wrong with a key, with anything inside it, or with the whole of a table around it.
    pub fn is_about(&self, key: &str) -> bool {
        let told = self
            .list
            .iter()
            .any(|problem| is_within(&problem.path, key));
        told || self
            .stand_ins
            .iter()
            .any(|stand_in| is_within(stand_in, key) || is_within(key, stand_in))
    }

    /// The problems, one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// Everything that is wrong, if anything is.
    ///
    /// # Errors
    ///
    /// The list itself, in order of lines, when it is not empty.
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.sorted())
        }
    }

    /// Notes that the value of a key is a stand-in; tells whether that is new.
    fn stand_in(&mut self, key: String) -> bool {
        self.stand_ins.insert(key)
    }

    fn stands_in(&self, key: &str) -> bool {
        self.stand_ins.contains(key)
    }

    fn sorted(mut self) -> Self {
        self.list
            .sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        self
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self {
            list: vec![problem],
            stand_ins: BTreeSet::new(),
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
