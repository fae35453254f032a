//! The values of the settings as serde reads them, with the path of each.
//!
//! A value that was wrong or missing has a placeholder, a neutral value of any type: `None` for an option, an empty list, the
//! first variant of an enum. Both are one type, since all code of a type that is read exists once for each deserializer.

mod parts;

use std::borrow::Cow;
use std::cell::RefCell;

use serde::de::{Deserializer, Error as _, Expected, Visitor};

use self::parts::{Choice, Parts};
use crate::json::Json;
use crate::settings::value_error::ValueError;

/// Returns the path of `key` in the table at `table`.
pub(in crate::settings) fn join(table: &str, key: &str) -> String {
    let mut path = String::with_capacity(table.len() + 1 + key.len());
    path.push_str(table);
    if !table.is_empty() {
        path.push('.');
    }
    path.push_str(key);
    path
}

/// The state of a reading.
pub(super) struct Pass<'a> {
    /// Paths of the placeholders.
    pub(super) placeholders: &'a [String],
    /// Elements of lists that no placeholder can replace.
    pub(super) dropped: &'a [String],
    /// Paths of the keys that no type knows.
    pub(super) unknown: &'a RefCell<Vec<String>>,
}

/// A value with its path.
pub(super) struct Node<'a> {
    pub(super) pass: &'a Pass<'a>,
    /// The value, or `None` for a placeholder, whose parts all have its path.
    pub(super) value: Option<&'a Json<'a>>,
    pub(super) path: String,
}

/// A number of the settings.
enum Number {
    Unsigned(u64),
    Signed(i64),
    Fraction,
}

fn number(text: &str) -> Number {
    match (text.parse(), text.parse()) {
        (Ok(number), _) => Number::Unsigned(number),
        (_, Ok(number)) => Number::Signed(number),
        _ => Number::Fraction,
    }
}

// === impl Node ===

impl<'a> Node<'a> {
    /// Returns the entries of a table, with a placeholder for each key of `wanted` that is missing.
    fn entries(
        &'a self,
        table: &'a [(Cow<'a, str>, Json<'a>)],
        wanted: &'static [&'static str],
    ) -> Parts<'a> {
        let neutral = |key: &str| self.pass.placeholders.contains(&join(&self.path, key));
        let all = || table.iter().map(|(key, value)| (&**key, Some(value)));
        // A placeholder that doesn't fit costs the whole table, so everything else in it is read first.
        let mut entries: Vec<_> = all().filter(|(key, _)| !neutral(key)).collect();
        entries.extend(all().filter(|(key, _)| neutral(key)));
        let is_missing = |key: &str| !table.iter().any(|(known, _)| known == key);
        let missing = wanted.iter().filter(|key| is_missing(key) && neutral(key));
        entries.extend(missing.map(|key| (*key, None)));
        self.parts(entries)
    }

    fn parts(&'a self, values: Vec<(&'a str, Option<&'a Json<'a>>)>) -> Parts<'a> {
        Parts {
            pass: self.pass,
            path: &self.path,
            neutral: self.value.is_none(),
            values: values.into_iter(),
            index: 0,
            next: None,
        }
    }

    /// Adds the path to an error of this value.
    fn place(&self, wrong: ValueError) -> ValueError {
        match self.value {
            Some(_) => wrong.at(&self.path),
            None => wrong.move_to(&self.path),
        }
    }

    fn wrong(&self, value: &Json<'_>, wanted: &dyn Expected) -> ValueError {
        ValueError::wrong_type(value, wanted).at(&self.path)
    }

    fn visit_number<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, ValueError> {
        let read = match self.value {
            None => visitor.visit_u64(1),
            Some(value @ Json::Number(text)) => match number(text) {
                Number::Unsigned(number) => visitor.visit_u64(number),
                Number::Signed(number) => visitor.visit_i64(number),
                Number::Fraction => return Err(self.wrong(value, &visitor)),
            },
            // Some types read a number from a text as well.
            Some(Json::Text(text)) => visitor.visit_str(text),
            Some(value) => return Err(self.wrong(value, &visitor)),
        };
        read.map_err(|wrong| self.place(wrong))
    }

    fn visit_float<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, ValueError> {
        let read = match self.value {
            None => visitor.visit_f64(1.0),
            Some(Json::Number(text)) => visitor.visit_f64(text.parse().unwrap_or(f64::NAN)),
            Some(value) => return Err(self.wrong(value, &visitor)),
        };
        read.map_err(|wrong| self.place(wrong))
    }

    fn visit_text<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, ValueError> {
        let text = self.text(&visitor)?;
        let read = visitor.visit_str(text);
        read.map_err(|wrong| self.place(wrong))
    }

    fn visit_list<'de, V: Visitor<'de>>(
        &self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let list = self.list(len, &visitor)?;
        let read = visitor.visit_seq(list);
        read.map_err(|wrong| self.place(wrong))
    }

    fn visit_table<'de, V: Visitor<'de>>(
        &self,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let table = self.table(keys, &visitor)?;
        let read = visitor.visit_map(table);
        read.map_err(|wrong| self.place(wrong))
    }

    fn text(&'a self, wanted: &dyn Expected) -> Result<&'a str, ValueError> {
        match self.value {
            None => Ok(""),
            Some(Json::Text(text)) => Ok(text),
            Some(value) => Err(self.wrong(value, wanted)),
        }
    }

    fn list(&'a self, len: usize, wanted: &dyn Expected) -> Result<Parts<'a>, ValueError> {
        match self.value {
            None => Ok(self.parts(vec![("", None); len])),
            Some(Json::List(list)) => {
                let elements = list.iter().map(|value| ("", Some(value)));
                Ok(self.parts(elements.collect()))
            }
            Some(value) => Err(self.wrong(value, wanted)),
        }
    }

    fn table(
        &'a self,
        keys: &'static [&'static str],
        wanted: &dyn Expected,
    ) -> Result<Parts<'a>, ValueError> {
        match self.value {
            None => Ok(self.parts(keys.iter().map(|key| (*key, None)).collect())),
            Some(Json::Table(table)) => Ok(self.entries(table, keys)),
            Some(value) => Err(self.wrong(value, wanted)),
        }
    }

    fn choice(&'a self, variants: &'static [&'static str]) -> Result<Choice<'a>, ValueError> {
        let (name, content) = match self.value {
            None => (variants.first().copied().unwrap_or_default(), Some(None)),
            Some(Json::Text(word)) => (&**word, None),
            Some(Json::Table(table)) => match &**table {
                [(name, value)] => (&**name, Some(Some(value))),
                _ => return Err(ValueError::unknown_variant("", variants)),
            },
            Some(_) => return Err(ValueError::unknown_variant("", variants)),
        };
        let content = content.map(|value| self.parts(Vec::new()).node(name, value));
        Ok(Choice { name, content })
    }
}

/// Methods that read a value of one kind.
macro_rules! kinds {
    ($($visit:ident: $($method:ident)*;)*) => {
        $($(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            self.$visit(visitor)
        })*)*
    };
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Some(Json::Text(_)) => self.visit_text(visitor),
            Some(Json::List(_)) => self.visit_list(0, visitor),
            Some(Json::Table(_)) => self.visit_table(&[], visitor),
            Some(Json::Number(text)) => match number(text) {
                Number::Fraction => self.visit_float(visitor),
                Number::Unsigned(_) | Number::Signed(_) => self.visit_number(visitor),
            },
            None => self.visit_number(visitor),
            Some(Json::Bool(word)) => visitor.visit_bool(*word).map_err(|wrong| self.place(wrong)),
            Some(Json::Null) => visitor.visit_unit().map_err(|wrong| self.place(wrong)),
        }
    }

    kinds! {
        visit_number: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
            deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128;
        visit_float: deserialize_f32 deserialize_f64;
        visit_text: deserialize_str deserialize_string deserialize_char deserialize_identifier;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let read = match self.value {
            None => visitor.visit_bool(false),
            Some(Json::Bool(word)) => visitor.visit_bool(*word),
            Some(value) => return Err(self.wrong(value, &visitor)),
        };
        read.map_err(|wrong| self.place(wrong))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            None | Some(Json::Null) => visitor.visit_none(),
            Some(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.visit_list(0, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.visit_list(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.visit_list(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.visit_table(&[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.visit_table(fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let read = self
            .choice(variants)
            .and_then(|choice| visitor.visit_enum(choice));
        read.map_err(|wrong| self.place(wrong))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let mut unknown = self.pass.unknown.borrow_mut();
        if self.value.is_some() && !unknown.contains(&self.path) {
            unknown.push(self.path);
        }
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! { bytes byte_buf unit unit_struct }
}
