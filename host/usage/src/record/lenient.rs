//! Fields that a plugin may have changed: a value of another type is absent, and never the end of the receipt.
//!
//! `set` gives a field its value as [`scan`](super::scan) found it, once: it returns `None` for a second one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A text, or the text of a number or a flag.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Text<'a>(Option<Cow<'a, str>>);

/// A whole number from zero.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Number(Option<u64>);

/// An object.
#[derive(Debug, PartialEq)]
pub(crate) struct Object<T>(pub(crate) Option<T>);

/// The entries of a list, by their numbers.
#[derive(Debug, PartialEq)]
pub(crate) struct Entries<T>(pub(crate) BTreeMap<u64, T>);

/// The entry of a list with the largest number.
#[derive(Debug, PartialEq)]
pub(crate) struct Last<T>(pub(crate) Option<T>);

/// Sets what is not set.
fn set<T>(to: &mut Option<T>, value: T) -> Option<()> {
    to.is_none().then(|| *to = Some(value))
}

/// A value as far as it matters: its text if it has one.
struct AnyText;

/// A value that is expected to be an object.
struct AnyObject<T>(PhantomData<T>);

// === impl Text ===

impl Text<'_> {
    /// Returns the text unless it is absent or empty.
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }
}

impl<'a> Text<'a> {
    pub(super) fn set(&mut self, text: &'a str) -> Option<()> {
        set(&mut self.0, Cow::Borrowed(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyText).map(Self)
    }
}

impl<'de> Visitor<'de> for AnyText {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(number.to_string())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(number.to_string())))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(flag.to_string())))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

// === impl Number ===

impl Number {
    /// Returns the number, or `None` if it is absent.
    pub(crate) fn get(&self) -> Option<u64> {
        self.0
    }

    /// Returns the number, or zero.
    pub(crate) fn or_zero(&self) -> u64 {
        self.0.unwrap_or(0)
    }

    pub(super) fn set(&mut self, number: u64) -> Option<()> {
        set(&mut self.0, number)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyNumber;
        impl<'de> Visitor<'de> for AnyNumber {
            type Value = Option<u64>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Some(number))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(u64::try_from(number).ok())
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                AnyText.visit_map(map).map(|_| None)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                AnyText.visit_seq(list).map(|_| None)
            }
        }
        deserializer.deserialize_any(AnyNumber).map(Self)
    }
}

// === impl Object ===

impl<T> Object<T> {
    pub(super) fn set(&mut self, object: T) -> Option<()> {
        set(&mut self.0, object)
    }
}

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let visitor = AnyObject(PhantomData);
        deserializer.deserialize_any(visitor).map(Self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for AnyObject<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        AnyText.visit_seq(list).map(|_| None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

// === impl Entries ===

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = Object::<BTreeMap<String, Object<T>>>::deserialize(deserializer)?;
        let entries = named.0.into_iter().flatten();
        let numbered = entries.filter_map(|(name, entry)| Some((name.parse().ok()?, entry.0?)));
        Ok(Self(numbered.collect()))
    }
}

// === impl Last ===

impl<T> Last<T> {
    pub(super) fn set(&mut self, entry: T) -> Option<()> {
        set(&mut self.0, entry)
    }
}

impl<T> Default for Last<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Last<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = Entries::deserialize(deserializer)?;
        Ok(Self(entries.0.into_values().next_back()))
    }
}
