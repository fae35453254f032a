//! What the fields of a receipt are put into: a list, for the audit hook and for other forms, or a line.

use witgate_runtime::{Field, Value};

/// Something that fields are put into, one after the other. An object's fields follow each other.
pub(super) trait Put {
    /// What [`close`](Self::close) needs to know of an object.
    type Opened;

    /// Begins an object.
    fn open(&mut self, name: Name<'_>) -> Self::Opened;

    /// Ends the object that was begun last. One without fields leaves nothing.
    fn close(&mut self, opened: Self::Opened);

    /// Adds a field to the object that was begun last.
    fn put(&mut self, name: Name<'_>, value: Scalar<'_>);

    /// Adds the number of entries that were left out of a list, outside of all objects.
    fn put_left_out(&mut self, list: &'static str, left: i64);
}

/// A name of a field or an object.
#[derive(Debug, Clone, Copy)]
pub(super) enum Name<'a> {
    /// A name of the gateway. It is no other's in its object, and has neither dots nor characters that JSON escapes.
    Own(&'static str),
    /// The number of an entry.
    Number(usize),
    /// Any other name. Its dots divide it into the names of objects.
    Other(&'a str),
}

/// The value of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scalar<'a> {
    Text(&'a str),
    Integer(i64),
    Flag(bool),
}

/// The fields of a receipt, each with the names of its objects in its name.
#[derive(Debug, Default)]
pub(super) struct List {
    fields: Vec<Field>,
    /// The names of the objects that have begun, each with its dot.
    objects: String,
}

// === impl Name ===

impl Name<'_> {
    /// Calls a function with the text of the name.
    pub(super) fn with<T>(self, with: impl FnOnce(&str) -> T) -> T {
        match self {
            Self::Own(name) => with(name),
            Self::Other(name) => with(name),
            Self::Number(number) => with(itoa::Buffer::new().format(number)),
        }
    }
}

// === impl List ===

impl List {
    /// Returns the fields.
    pub(super) fn into_fields(self) -> Vec<Field> {
        self.fields
    }
}

impl Put for List {
    type Opened = usize;

    fn open(&mut self, name: Name<'_>) -> usize {
        let len = self.objects.len();
        name.with(|name| self.objects.push_str(name));
        self.objects.push('.');
        len
    }

    fn close(&mut self, opened: usize) {
        self.objects.truncate(opened);
    }

    fn put(&mut self, name: Name<'_>, value: Scalar<'_>) {
        let name = name.with(|name| [self.objects.as_str(), name].concat());
        let value = match value {
            Scalar::Text(text) => Value::Text(text.to_owned()),
            Scalar::Integer(number) => Value::Integer(number),
            Scalar::Flag(flag) => Value::Flag(flag),
        };
        self.fields.push(Field { name, value });
    }

    fn put_left_out(&mut self, list: &'static str, left: i64) {
        let name = ["left_out.", list].concat();
        let value = Value::Integer(left);
        self.fields.push(Field { name, value });
    }
}
