//! A TOML file that knows the line of every key.

use super::reader;
use super::{Problem, Problems};
use serde::de::DeserializeOwned;
use std::ops::Range;
use toml_edit::{Item, Key, TableLike, Value};

/// A parsed TOML file that knows the line of every key.
#[derive(Clone, Debug)]
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
    /// When the text is not TOML.
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
    /// Every unknown key, every value of a wrong type and every missing key.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Problems> {
        let (value, problems) = self.read_known()?;
        problems.into_result().map(|()| value)
    }

    /// Reads the document into `T`, with its problems beside it, so that a caller who checks further can report
    /// everything together. A stand-in takes the place of each value that is wrong or missing, and what is said about
    /// a stand-in is not kept by [`Problems::push`]. A value with problems is for looking further, not for use.
    ///
    /// # Errors
    ///
    /// Every problem, when they leave no value of this type.
    pub fn read_known<T: DeserializeOwned>(&self) -> Result<(T, Problems), Problems> {
        let (value, problems) = reader::read(self);
        match value {
            Some(value) => Ok((value, problems)),
            None => Err(problems.sorted()),
        }
    }

    pub(super) fn root(&self) -> Place<'_> {
        Place::Table(self.root.as_table())
    }

    /// The name of the file, as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line of a key, or of the nearest table above it that exists; none when nothing of the path does.
    pub fn locate(&self, path: &str) -> Option<usize> {
        let mut span = None;
        let mut at = self.root();
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
pub(super) enum Place<'a> {
    Table(&'a dyn TableLike),
    Item(&'a Item),
    Value(&'a Value),
}

/// The value at a place.
pub(super) enum Shape<'a> {
    Text(&'a str),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Date(String),
    List(Vec<Place<'a>>),
    Table(&'a dyn TableLike),
    Nothing,
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

    /// The value at this place.
    pub(super) fn shape(self) -> Shape<'a> {
        if let Some(table) = self.table() {
            return Shape::Table(table);
        }
        match self {
            Place::Item(Item::ArrayOfTables(tables)) => {
                Shape::List(tables.iter().map(|table| Place::Table(table)).collect())
            }
            Place::Item(Item::Value(value)) | Place::Value(value) => Shape::of(value),
            Place::Item(_) | Place::Table(_) => Shape::Nothing,
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

// === impl Shape ===

impl<'a> Shape<'a> {
    fn of(value: &'a Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text.value()),
            Value::Integer(number) => Self::Integer(*number.value()),
            Value::Float(number) => Self::Float(*number.value()),
            Value::Boolean(word) => Self::Boolean(*word.value()),
            Value::Datetime(date) => Self::Date(date.value().to_string()),
            Value::Array(list) => Self::List(list.iter().map(Place::Value).collect()),
            Value::InlineTable(table) => Self::Table(table),
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
