//! Problems in files that people write: all at once, each with its file and line.
//!
//! [`Document`] keeps the place of every key of a TOML file, so that a problem found much later, for instance by a
//! plugin in its settings, can still name the line. The functions are not about plugins: a host may use them for its
//! own configuration.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::{self, Write as _};
use std::ops::Range;
use toml_edit::{Item, Key, TableLike, Value};

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
pub struct Problems(Vec<Problem>);

/// A parsed TOML file that knows the line of every key.
#[derive(Clone, Debug)]
pub struct Document {
    file: String,
    text: String,
    root: toml_edit::Document<String>,
}

/// Reads a file's text into `T`. Unknown keys are problems; all of them are reported.
///
/// # Errors
///
/// Every unknown key, and the first value of a wrong type.
pub fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Problems> {
    Document::parse(file, text)?.read()
}

// === impl Document ===

impl Document {
    /// Parses a file's text.
    ///
    /// # Errors
    ///
    /// When the text is not TOML.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        match toml_edit::Document::parse(text.to_owned()) {
            Ok(root) => Ok(Self {
                file: file.to_owned(),
                text: text.to_owned(),
                root,
            }),
            Err(error) => Err(Problems(vec![Problem {
                file: file.to_owned(),
                line: error.span().map(|span| line_of(text, span.start)),
                path: String::new(),
                message: error.message().to_owned(),
            }])),
        }
    }

    /// Reads the document into `T`. Unknown keys are problems.
    ///
    /// # Errors
    ///
    /// Every unknown key, and the first value of a wrong type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Problems> {
        let (value, problems) = self.read_known()?;
        problems.into_result().map(|()| value)
    }

    /// Reads the known keys into `T`, with the unknown ones as problems beside it, so that a caller who checks
    /// further can report everything together.
    ///
    /// # Errors
    ///
    /// The first value of a wrong type, and every unknown key up to there.
    pub fn read_known<T: DeserializeOwned>(&self) -> Result<(T, Problems), Problems> {
        let mut problems = Problems::default();
        let mut track = serde_path_to_error::Track::new();
        let source = toml_edit::de::Deserializer::from(self.root.clone());
        let tracked = serde_path_to_error::Deserializer::new(source, &mut track);
        let value = serde_ignored::deserialize(tracked, |path| {
            let path = ignored_path(&path);
            problems.push(self.problem(&path, "unknown key; check its spelling and its table"));
        });
        match value {
            Ok(value) => Ok((value, problems)),
            Err(error) => {
                let path = tracked_path(&track.path());
                let mut problem = self.problem(&path, error.message());
                if let Some(span) = error.span() {
                    problem.line = Some(line_of(&self.text, span.start));
                }
                problems.push(problem);
                Err(problems.sorted())
            }
        }
    }

    /// The name of the file, as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line of a key, or of the nearest table above it that exists; none when nothing of the path does.
    pub fn locate(&self, path: &str) -> Option<usize> {
        let mut span = None;
        let mut at = Place::Table(self.root.as_table());
        for step in steps(path) {
            let Some((key, next)) = at.step(&step) else {
                break;
            };
            span = key.or_else(|| next.span()).or(span);
            at = next;
        }
        span.map(|span| line_of(&self.text, span.start))
    }

    /// A problem with a key of this document.
    pub fn problem(&self, path: &str, message: impl Into<String>) -> Problem {
        Problem {
            file: self.file.clone(),
            line: self.locate(path),
            path: path.to_owned(),
            message: message.into(),
        }
    }
}

/// Where a walk down a document stands.
#[derive(Clone, Copy)]
enum Place<'a> {
    Table(&'a dyn TableLike),
    Item(&'a Item),
    Value(&'a Value),
}

enum Step {
    Key(String),
    Index(usize),
}

// === impl Place ===

impl<'a> Place<'a> {
    /// Goes one step down; gives the place of the key, where the step has one.
    fn step(self, step: &Step) -> Option<(Option<Range<usize>>, Self)> {
        match step {
            Step::Key(name) => {
                let (key, item) = self.table()?.get_key_value(name)?;
                Some((Key::span(key), Place::Item(item)))
            }
            Step::Index(index) => match self {
                Place::Item(Item::ArrayOfTables(tables)) => {
                    let table = tables.get(*index)?;
                    Some((table.span(), Place::Table(table)))
                }
                Place::Item(Item::Value(Value::Array(array)))
                | Place::Value(Value::Array(array)) => {
                    let value = array.get(*index)?;
                    Some((value.span(), Place::Value(value)))
                }
                Place::Item(_) | Place::Value(_) | Place::Table(_) => None,
            },
        }
    }

    fn table(self) -> Option<&'a dyn TableLike> {
        match self {
            Place::Table(table) => Some(table),
            Place::Item(item) => item.as_table_like(),
            Place::Value(value) => value.as_inline_table().map(|table| table as &dyn TableLike),
        }
    }

    fn span(self) -> Option<Range<usize>> {
        match self {
            Place::Table(_) => None,
            Place::Item(item) => item.span(),
            Place::Value(value) => value.span(),
        }
    }
}

/// `rules[2].when` as steps. Text that is no path gives steps that lead nowhere.
fn steps(path: &str) -> impl Iterator<Item = Step> + '_ {
    path.split('.').flat_map(|part| {
        let (name, indices) = part.split_once('[').unwrap_or((part, ""));
        let key = (!name.is_empty()).then(|| Step::Key(name.to_owned()));
        let indices = indices
            .split('[')
            .filter_map(|index| index.trim_end_matches(']').parse().ok().map(Step::Index));
        key.into_iter().chain(indices)
    })
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

fn ignored_path(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", ignored_path(parent)),
        Path::Map { parent, key } => join(ignored_path(parent), key),
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => ignored_path(parent),
    }
}

fn tracked_path(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |mut text, segment| {
        match segment {
            Segment::Seq { index } => {
                // Writing to a string can't fail.
                let _ = write!(text, "[{index}]");
                text
            }
            Segment::Map { key } => join(text, key),
            Segment::Enum { .. } | Segment::Unknown => text,
        }
    })
}

fn join(mut parent: String, key: &str) -> String {
    if !parent.is_empty() {
        parent.push('.');
    }
    parent.push_str(key);
    parent
}

// === impl Problems ===

impl Problems {
    /// The only problem of a file that can't be read at all.
    pub fn unreadable(file: &str, error: &std::io::Error) -> Self {
        let message = format!("cannot be read: {error}");
        Self(vec![Problem {
            file: file.to_owned(),
            line: None,
            path: String::new(),
            message,
        }])
    }

    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Takes over those of another list.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The problems, one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
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

    fn sorted(mut self) -> Self {
        self.0
            .sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        self
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
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
