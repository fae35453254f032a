//! The values in a list, a table or a variant, as serde asks for them.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IgnoredAny, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};

use super::{Node, Pass, join};
use crate::json::Json;
use crate::settings::value_error::ValueError;

/// The values in a list or table.
pub(super) struct Parts<'a> {
    pub(super) pass: &'a Pass<'a>,
    /// The path of the list or table.
    pub(super) path: &'a str,
    /// Set for a placeholder.
    pub(super) neutral: bool,
    pub(super) values: std::vec::IntoIter<(&'a str, Option<&'a Json<'a>>)>,
    pub(super) index: usize,
    /// The value whose key was read.
    pub(super) next: Option<(&'a str, Option<&'a Json<'a>>)>,
}

/// A variant of an enum: a word, or a table with one key.
pub(super) struct Choice<'a> {
    pub(super) name: &'a str,
    pub(super) content: Option<Node<'a>>,
}

fn word<'a>(text: &'a str) -> StrDeserializer<'a, ValueError> {
    text.into_deserializer()
}

// === impl Parts ===

impl<'a> Parts<'a> {
    /// Returns a value of a table.
    pub(super) fn node(&self, key: &str, value: Option<&'a Json<'a>>) -> Node<'a> {
        self.at(join(self.path, key), value)
    }

    fn at(&self, path: String, value: Option<&'a Json<'a>>) -> Node<'a> {
        let path = match self.neutral {
            true => self.path.to_owned(),
            false => path,
        };
        Node {
            pass: self.pass,
            value: value.filter(|_| !self.pass.placeholders.contains(&path)),
            path,
        }
    }

    fn next_key(&mut self) -> Option<&'a str> {
        self.next = self.values.next();
        self.next.map(|(key, _)| key)
    }

    fn next_value(&mut self) -> Result<Node<'a>, ValueError> {
        match self.next.take() {
            Some((key, value)) => Ok(self.node(key, value)),
            None => Err(ValueError::custom("its value was asked for before its key")),
        }
    }

    fn next_element(&mut self) -> Option<Node<'a>> {
        loop {
            let (_, value) = self.values.next()?;
            let path = format!("{}[{}]", self.path, self.index);
            self.index += 1;
            if !self.pass.dropped.contains(&path) {
                return Some(self.at(path, value));
            }
        }
    }
}

impl<'de> SeqAccess<'de> for Parts<'_> {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ValueError> {
        let next = self.next_element();
        next.map(|node| seed.deserialize(node)).transpose()
    }
}

impl<'de> MapAccess<'de> for Parts<'_> {
    type Error = ValueError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ValueError> {
        let Some(key) = self.next_key() else {
            return Ok(None);
        };
        match seed.deserialize(word(key)) {
            Ok(key) => Ok(Some(key)),
            Err(wrong) => Err(wrong.at(&join(self.path, key))),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, ValueError> {
        seed.deserialize(self.next_value()?)
    }
}

// === impl Choice ===

impl<'a> Choice<'a> {
    fn content(self) -> Result<Node<'a>, ValueError> {
        let none = || ValueError::custom("must be a table with one key");
        self.content.ok_or_else(none)
    }
}

impl<'de> EnumAccess<'de> for Choice<'_> {
    type Error = ValueError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), ValueError> {
        Ok((seed.deserialize(word(self.name))?, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = ValueError;

    fn unit_variant(self) -> Result<(), ValueError> {
        match self.content {
            Some(node) => node.deserialize_ignored_any(IgnoredAny).map(drop),
            None => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, ValueError> {
        seed.deserialize(self.content()?)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.content()?.visit_list(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.content()?.visit_table(fields, visitor)
    }
}
