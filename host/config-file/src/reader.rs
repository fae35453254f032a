//! Reads a document into a type, past everything that is wrong with it.
//!
//! serde gives up at the first wrong value. So a document is read again after each one, with a stand-in in the place of
//! what was wrong or missing, until nothing is wrong any more. What stands in is neutral and never seen: the problem that
//! it was put in for keeps the value from use.

mod stand_in;

use super::document::{Document, Place, Shape};
use super::wrong::Wrong;
use super::{Problems, join};
use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _,
    IntoDeserializer, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use stand_in::StandIn;
use std::cell::RefCell;
use std::collections::BTreeSet;
use toml_edit::TableLike;

/// Most problems of one file that are reported. Each costs one more reading of the file.
const MOST: usize = 200;

/// The value, if there is one, and everything that is wrong.
pub(super) fn read<T: DeserializeOwned>(document: &Document) -> (Option<T>, Problems) {
    let mut problems = Problems::default();
    let mut dropped = BTreeSet::new();
    let unknown = RefCell::default();
    let value = loop {
        let root = Node {
            pass: Pass {
                problems: &problems,
                dropped: &dropped,
                unknown: &unknown,
            },
            place: document.root(),
            path: String::new(),
        };
        let wrong = match T::deserialize(root) {
            Ok(value) => break Some(value),
            Err(wrong) => wrong,
        };
        if problems.iter().len() >= MOST {
            let message = format!("has more than {MOST} problems; these are the first");
            problems.push(document.problem("", message));
            break None;
        }
        if !replace(document, &mut problems, &mut dropped, wrong) {
            break None;
        }
    };
    for path in unknown.take() {
        let problem = document.problem(&path, "unknown key; check its spelling and its table");
        problems.push(problem);
    }
    (value, problems)
}

/// Notes what is wrong, and that a stand-in takes its place. Where one stands already and does not do, an element of a list
/// is dropped, and else one takes the place of the table around it; tells whether there is any.
fn replace(
    document: &Document,
    problems: &mut Problems,
    dropped: &mut BTreeSet<String>,
    wrong: Wrong,
) -> bool {
    let table = wrong.path.unwrap_or_default();
    let mut key = match wrong.missing {
        Some(missing) => join(&table, missing),
        None => table.clone(),
    };
    if !problems.stands_in(&key) {
        problems.push(document.problem(&table, wrong.message));
    }
    while !key.is_empty() {
        let is_element = key.ends_with(']');
        if problems.stand_in(key.clone()) || is_element && dropped.insert(key.clone()) {
            return true;
        }
        let around = key.rfind(['.', '[']).unwrap_or(0);
        key.truncate(around);
    }
    false
}

/// One reading.
#[derive(Clone, Copy)]
struct Pass<'a> {
    /// The problems so far, with the paths of the stand-ins.
    problems: &'a Problems,
    /// Elements of lists that nothing can stand in for.
    dropped: &'a BTreeSet<String>,
    /// The keys that no type knows.
    unknown: &'a RefCell<BTreeSet<String>>,
}

/// A value with its path.
struct Node<'a> {
    pass: Pass<'a>,
    place: Place<'a>,
    path: String,
}

/// The entries of a table.
struct Entries<'a> {
    pass: Pass<'a>,
    path: &'a str,
    entries: std::vec::IntoIter<(String, Option<Place<'a>>)>,
    next: Option<(String, Option<Place<'a>>)>,
}

/// The elements of a list.
struct Elements<'a> {
    pass: Pass<'a>,
    path: &'a str,
    elements: std::iter::Enumerate<std::vec::IntoIter<Place<'a>>>,
}

// === impl Pass ===

impl<'a> Pass<'a> {
    /// Reads a value, or what stands in for it.
    fn read<'de, S: DeserializeSeed<'de>>(
        self,
        seed: S,
        path: String,
        place: Option<Place<'a>>,
    ) -> Result<S::Value, Wrong> {
        match place {
            Some(place) if !self.problems.stands_in(&path) => seed.deserialize(Node {
                pass: self,
                place,
                path,
            }),
            Some(_) | None => seed.deserialize(StandIn).map_err(|wrong| Wrong {
                path: Some(path),
                missing: None,
                ..wrong
            }),
        }
    }
}

// === impl Node ===

impl<'a> Node<'a> {
    /// The entries of a table; those of `wanted` that are missing have a stand-in.
    fn entries(&'a self, table: &'a dyn TableLike, wanted: &'static [&'static str]) -> Entries<'a> {
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, item)| (key.to_owned(), Some(Place::Item(item))))
            .collect();
        let missing = wanted.iter().filter(|key| {
            !table.contains_key(key) && self.pass.problems.stands_in(&join(&self.path, key))
        });
        entries.extend(missing.map(|key| ((*key).to_owned(), None)));
        // Where nothing can stand in, the table is given up: that comes after everything else in it was read.
        entries.sort_by_key(|(key, _)| self.pass.problems.stands_in(&join(&self.path, key)));
        Entries {
            pass: self.pass,
            path: &self.path,
            entries: entries.into_iter(),
            next: None,
        }
    }

    fn elements(&'a self, list: Vec<Place<'a>>) -> Elements<'a> {
        Elements {
            pass: self.pass,
            path: &self.path,
            elements: list.into_iter().enumerate(),
        }
    }

    fn visit<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Wrong> {
        match self.place.shape() {
            Shape::Text(text) => visitor.visit_str(text),
            Shape::Integer(number) => visitor.visit_i64(number),
            Shape::Float(number) => visitor.visit_f64(number),
            Shape::Boolean(word) => visitor.visit_bool(word),
            Shape::Date(date) => visitor.visit_string(date),
            Shape::List(list) => visitor.visit_seq(self.elements(list)),
            Shape::Table(table) => visitor.visit_map(self.entries(table, &[])),
            Shape::Nothing => visitor.visit_unit(),
        }
    }
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.visit(visitor).map_err(|wrong| wrong.at(&self.path))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let read = match self.place.shape() {
            Shape::Table(table) => visitor.visit_map(self.entries(table, fields)),
            // serde would take the elements of a list for the fields, in their order.
            Shape::List(_) => Err(Wrong::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.visit(visitor),
        };
        read.map_err(|wrong| wrong.at(&self.path))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let read = match self.place.shape() {
            Shape::Text(word) => {
                let word: StrDeserializer<'_, Wrong> = word.into_deserializer();
                visitor.visit_enum(word)
            }
            Shape::Table(table) if table.len() == 1 => visitor.visit_enum(self.entries(table, &[])),
            _ => Err(Wrong::unknown_variant("", variants)),
        };
        read.map_err(|wrong| wrong.at(&self.path))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.pass.unknown.borrow_mut().insert(self.path);
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier
    }
}

// === impl Entries ===

impl Entries<'_> {
    fn key<'de, K: DeserializeSeed<'de>>(key: &str, seed: K) -> Result<K::Value, Wrong> {
        let key: StrDeserializer<'_, Wrong> = key.into_deserializer();
        seed.deserialize(key)
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Wrong> {
        let Some((key, place)) = self.entries.next() else {
            return Ok(None);
        };
        let read = Self::key(&key, seed).map_err(|wrong| wrong.at(&join(self.path, &key)));
        self.next = Some((key, place));
        read.map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let (key, place) = self
            .next
            .take()
            .ok_or_else(|| Wrong::custom("its value was asked for before its key"))?;
        self.pass.read(seed, join(self.path, &key), place)
    }
}

/// A table with one entry is a choice with something to it: `{ file = "x" }`.
impl<'de> EnumAccess<'de> for Entries<'_> {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(mut self, seed: V) -> Result<(V::Value, Self), Wrong> {
        match self.next_key_seed(seed)? {
            Some(chosen) => Ok((chosen, self)),
            None => Err(Wrong::custom("must be a word, or a table with one key")),
        }
    }
}

impl<'de> VariantAccess<'de> for Entries<'_> {
    type Error = Wrong;

    fn unit_variant(mut self) -> Result<(), Wrong> {
        self.next_value_seed(std::marker::PhantomData::<de::IgnoredAny>)
            .map(drop)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(mut self, seed: T) -> Result<T::Value, Wrong> {
        self.next_value_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.into_node()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.into_node()?.deserialize_struct("", fields, visitor)
    }
}

impl<'a> Entries<'a> {
    fn into_node(self) -> Result<Node<'a>, Wrong> {
        match self.next {
            Some((key, Some(place))) => Ok(Node {
                pass: self.pass,
                place,
                path: join(self.path, &key),
            }),
            Some((_, None)) | None => Err(Wrong::custom("must be a table with one key")),
        }
    }
}

// === impl Elements ===

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Wrong> {
        for (index, place) in self.elements.by_ref() {
            let path = format!("{}[{index}]", self.path);
            if !self.pass.dropped.contains(&path) {
                return self.pass.read(seed, path, Some(place)).map(Some);
            }
        }
        Ok(None)
    }
}
