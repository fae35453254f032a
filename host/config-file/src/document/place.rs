//! A walk down a parsed document.

use std::ops::Range;

use toml_edit::{Item, Key, TableLike, Value};

/// A position in a document.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    Table(&'a dyn TableLike),
    Item(&'a Item),
    Value(&'a Value),
}

/// The value at a position, by its type.
pub(crate) enum Shape<'a> {
    Text(&'a str),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Date(String),
    List(Vec<Place<'a>>),
    Table(&'a dyn TableLike),
    Nothing,
}

/// A step of a path: into a table or into a list.
pub(super) enum Step {
    Key(String),
    Index(usize),
}

// === impl Step ===

impl Step {
    /// Splits a path such as `rules[2].when` into steps. Text that is not a path gives steps that lead nowhere.
    pub(super) fn of(path: &str) -> impl Iterator<Item = Self> + '_ {
        path.split('.').flat_map(|part| {
            let (name, indices) = part.split_once('[').unwrap_or((part, ""));
            let key = (!name.is_empty()).then(|| Self::Key(name.to_owned()));
            let indices = indices
                .split('[')
                .filter_map(|index| index.trim_end_matches(']').parse().ok().map(Self::Index));
            key.into_iter().chain(indices)
        })
    }
}

// === impl Place ===

impl<'a> Place<'a> {
    /// Takes one step down, and returns the span of the key beside the new position. An element of a list has the span
    /// of the element.
    pub(super) fn step(self, step: &Step) -> Option<(Option<Range<usize>>, Self)> {
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

    /// Returns the value at this position.
    pub(crate) fn shape(self) -> Shape<'a> {
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

    pub(super) fn span(self) -> Option<Range<usize>> {
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
