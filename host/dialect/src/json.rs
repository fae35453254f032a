//! Members of members: removes what a path names from a JSON text, and leaves all other values byte for byte.

mod path;

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

pub use path::{Path, Step};

/// A JSON text after a removal.
#[derive(Debug, PartialEq, Eq)]
pub enum Pruned {
    /// The text as it was, as there was no such part.
    Same,
    /// The text without it.
    Without(String),
    /// An object or array without anything left in it, which has to be removed as a whole.
    Empty,
}

/// The members of an object in order, names decoded and values as written.
struct Members<'a>(Vec<(String, &'a RawValue)>);

/// Removes what the steps name from a JSON text. Values of other types than the steps expect stay.
pub fn prune(text: &str, steps: &[Step<'_>]) -> Pruned {
    // Most texts have no such part, and some are large.
    let possible = steps.iter().all(|step| match step {
        Step::Member(name) | Step::Typed(name) => may_have(text, name),
        Step::Each => true,
    });
    if possible {
        prune_steps(text, steps)
    } else {
        Pruned::Same
    }
}

/// Returns false for a JSON text that has no such name of letters and underscores, in any spelling: those have one escape each, from
/// `\u005f` to `\u007a`.
fn may_have(text: &str, name: &str) -> bool {
    let text = text.as_bytes();
    let mut escapes = memchr::memmem::find_iter(text, b"\\u00");
    memchr::memmem::find(text, name.as_bytes()).is_some()
        || escapes.any(|at| matches!(text.get(at + 4), Some(b'5'..=b'7')))
}

fn prune_steps(text: &str, steps: &[Step<'_>]) -> Pruned {
    let Some((step, rest)) = steps.split_first() else {
        return Pruned::Empty;
    };
    match step {
        Step::Member(name) => prune_member(text, name, rest),
        Step::Each => prune_elements(text, |element| prune_steps(element, rest)),
        Step::Typed(prefix) => prune_elements(text, |element| {
            if type_of(element).is_some_and(|kind| kind.starts_with(prefix)) {
                Pruned::Empty
            } else {
                Pruned::Same
            }
        }),
    }
}

fn prune_member(text: &str, name: &str, rest: &[Step<'_>]) -> Pruned {
    let Ok(Members(members)) = serde_json::from_str(text) else {
        return Pruned::Same;
    };
    let (mut changed, mut kept) = (false, Vec::with_capacity(members.len()));
    for (member, value) in &members {
        let pruned = if member == name {
            prune_steps(value.get(), rest)
        } else {
            Pruned::Same
        };
        let value = match pruned {
            Pruned::Same => Cow::Borrowed(value.get()),
            Pruned::Without(text) => Cow::Owned(text),
            Pruned::Empty => {
                changed = true;
                continue;
            }
        };
        changed |= matches!(value, Cow::Owned(_));
        let name = serde_json::Value::from(member.as_str());
        kept.push(format!("{name}:{value}"));
    }
    assemble(changed, &kept, ["{", "}"])
}

fn prune_elements(text: &str, prune: impl Fn(&str) -> Pruned) -> Pruned {
    let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(text) else {
        return Pruned::Same;
    };
    let (mut changed, mut kept) = (false, Vec::with_capacity(elements.len()));
    for element in elements {
        match prune(element.get()) {
            Pruned::Same => kept.push(element.get().to_owned()),
            Pruned::Without(text) => {
                changed = true;
                kept.push(text);
            }
            Pruned::Empty => changed = true,
        }
    }
    assemble(changed, &kept, ["[", "]"])
}

fn assemble(changed: bool, kept: &[String], [open, close]: [&str; 2]) -> Pruned {
    match kept {
        _ if !changed => Pruned::Same,
        [] => Pruned::Empty,
        kept => Pruned::Without(format!("{open}{}{close}", kept.join(","))),
    }
}

/// Returns the `type` of an object, if it is a string.
fn type_of(text: &str) -> Option<String> {
    let Members(members) = serde_json::from_str(text).ok()?;
    let (_, value) = members.iter().rfind(|(name, _)| name == "type")?;
    serde_json::from_str(value.get()).ok()
}

// === impl Members ===

impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

/// The reader of [`Members`].
struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry::<String, &'de RawValue>()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests;
