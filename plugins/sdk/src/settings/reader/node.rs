//! The values of the settings as serde reads them, with the path of each.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde_json::{Map, Value};

use super::placeholder::Placeholder;
use crate::settings::value_error::ValueError;

/// Returns the path of `key` in the table at `table`.
pub(super) fn join(table: &str, key: &str) -> String {
    if table.is_empty() {
        key.to_owned()
    } else {
        format!("{table}.{key}")
    }
}

/// The state of a reading.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    /// Paths of the placeholders.
    pub(super) placeholders: &'a BTreeSet<String>,
    /// Elements of lists that no placeholder can replace.
    pub(super) dropped: &'a BTreeSet<String>,
    /// Paths of the keys that no type knows.
    pub(super) unknown: &'a RefCell<Vec<String>>,
}

/// A value with its path.
pub(super) struct Node<'a> {
    pub(super) pass: Pass<'a>,
    pub(super) value: &'a Value,
    pub(super) path: String,
}

/// The entries of a table.
struct Entries<'a> {
    pass: Pass<'a>,
    path: &'a str,
    entries: std::vec::IntoIter<(String, Option<&'a Value>)>,
    next: Option<(String, Option<&'a Value>)>,
}

/// The elements of a list.
struct Elements<'a> {
    pass: Pass<'a>,
    path: &'a str,
    elements: std::iter::Enumerate<std::slice::Iter<'a, Value>>,
}

// === impl Pass ===

impl<'a> Pass<'a> {
    /// Reads a value, or its placeholder.
    fn read<'de, S: DeserializeSeed<'de>>(
        self,
        seed: S,
        path: String,
        value: Option<&'a Value>,
    ) -> Result<S::Value, ValueError> {
        match value {
            Some(value) if !self.placeholders.contains(&path) => seed.deserialize(Node {
                pass: self,
                value,
                path,
            }),
            Some(_) | None => seed.deserialize(Placeholder).map_err(|wrong| ValueError {
                path: Some(path),
                missing: None,
                ..wrong
            }),
        }
    }
}

// === impl Node ===

impl<'a> Node<'a> {
    /// Returns the entries of a table, and a placeholder for each key of `wanted` that is missing.
    fn entries(
        &'a self,
        table: &'a Map<String, Value>,
        wanted: &'static [&'static str],
    ) -> Entries<'a> {
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, value)| (key.clone(), Some(value)))
            .collect();
        let missing = wanted.iter().filter(|key| {
            !table.contains_key(**key) && self.pass.placeholders.contains(&join(&self.path, key))
        });
        entries.extend(missing.map(|key| ((*key).to_owned(), None)));
        // A placeholder that doesn't fit costs the whole table, so everything else in it is read first.
        entries.sort_by_key(|(key, _)| self.pass.placeholders.contains(&join(&self.path, key)));
        Entries {
            pass: self.pass,
            path: &self.path,
            entries: entries.into_iter(),
            next: None,
        }
    }

    fn elements(&'a self, list: &'a [Value]) -> Elements<'a> {
        Elements {
            pass: self.pass,
            path: &self.path,
            elements: list.iter().enumerate(),
        }
    }

    fn visit<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::String(text) => visitor.visit_str(text),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::Bool(word) => visitor.visit_bool(*word),
            Value::Array(list) => visitor.visit_seq(self.elements(list)),
            Value::Object(table) => visitor.visit_map(self.entries(table, &[])),
            Value::Null => visitor.visit_unit(),
        }
    }
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.visit(visitor).map_err(|wrong| wrong.at(&self.path))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let read = match self.value {
            Value::Object(table) => visitor.visit_map(self.entries(table, fields)),
            // serde would take the elements of a list for the fields, in their order.
            Value::Array(_) => Err(ValueError::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.visit(visitor),
        };
        read.map_err(|wrong| wrong.at(&self.path))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let read = match self.value {
            Value::String(word) => {
                let word: StrDeserializer<'_, ValueError> = word.as_str().into_deserializer();
                visitor.visit_enum(word)
            }
            Value::Object(table) if table.len() == 1 => {
                visitor.visit_enum(self.entries(table, &[]))
            }
            _ => Err(ValueError::unknown_variant("", variants)),
        };
        read.map_err(|wrong| wrong.at(&self.path))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let mut unknown = self.pass.unknown.borrow_mut();
        if !unknown.contains(&self.path) {
            unknown.push(self.path);
        }
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier
    }
}

// === impl Entries ===

impl Entries<'_> {
    fn key<'de, K: DeserializeSeed<'de>>(key: &str, seed: K) -> Result<K::Value, ValueError> {
        let key: StrDeserializer<'_, ValueError> = key.into_deserializer();
        seed.deserialize(key)
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = ValueError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ValueError> {
        let Some((key, value)) = self.entries.next() else {
            return Ok(None);
        };
        let read = Self::key(&key, seed).map_err(|wrong| wrong.at(&join(self.path, &key)));
        self.next = Some((key, value));
        read.map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, ValueError> {
        let (key, value) = self
            .next
            .take()
            .ok_or_else(|| ValueError::custom("its value was asked for before its key"))?;
        self.pass.read(seed, join(self.path, &key), value)
    }
}

/// A table with one entry is a variant with a value: `{ file = "x" }`.
impl<'de> EnumAccess<'de> for Entries<'_> {
    type Error = ValueError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        mut self,
        seed: V,
    ) -> Result<(V::Value, Self), ValueError> {
        match self.next_key_seed(seed)? {
            Some(chosen) => Ok((chosen, self)),
            None => Err(ValueError::custom(
                "must be a word, or a table with one key",
            )),
        }
    }
}

impl<'de> VariantAccess<'de> for Entries<'_> {
    type Error = ValueError;

    fn unit_variant(mut self) -> Result<(), ValueError> {
        self.next_value_seed(std::marker::PhantomData::<de::IgnoredAny>)
            .map(drop)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        mut self,
        seed: T,
    ) -> Result<T::Value, ValueError> {
        self.next_value_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ValueError> {
        self.into_node()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.into_node()?.deserialize_struct("", fields, visitor)
    }
}

impl<'a> Entries<'a> {
    fn into_node(self) -> Result<Node<'a>, ValueError> {
        match self.next {
            Some((key, Some(value))) => Ok(Node {
                pass: self.pass,
                value,
                path: join(self.path, &key),
            }),
            Some((_, None)) | None => Err(ValueError::custom("must be a table with one key")),
        }
    }
}

// === impl Elements ===

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ValueError> {
        for (index, value) in self.elements.by_ref() {
            let path = format!("{}[{index}]", self.path);
            if !self.pass.dropped.contains(&path) {
                return self.pass.read(seed, path, Some(value)).map(Some);
            }
        }
        Ok(None)
    }
}
