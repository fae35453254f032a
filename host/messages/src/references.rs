//! Which things at the upstream a request names: its container and its files.
//!
//! Tenants share the upstream's credential, so these ids have to be looked at before the request leaves. A body that names
//! none costs one search and no allocation. Names are found under every spelling that a JSON reader takes for them, and
//! of a name given twice every value is found: whichever the upstream takes was looked at.

use bytes::Bytes;
use memchr::memmem;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::head::Head;
use crate::json::{Elements, Kind, Malformed, Object, Scanner};
use crate::splice::Edit;

/// What a request names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Ids of containers.
    pub containers: Vec<String>,
    /// Ids of files.
    pub files: Vec<String>,
}

/// Members whose values are a tool's own: the API does not look for files in them, and tools of clients have `file_id`s
/// of other services in there.
const TOOLS_OWN: [&str; 3] = ["input", "input_schema", "input_examples"];

/// A request of a batch that can't be read: the client's fault.
#[derive(Debug, thiserror::Error)]
pub enum BadBatch {
    /// `requests` is not a list of objects, each with `params`.
    #[error("requests: a list of objects, each with custom_id and params")]
    Shape,
    /// The parameters of one request can't be read in one way only.
    #[error("requests.{index}.params: {source}")]
    Params {
        /// Which request, counted from 0.
        index: usize,
        /// What is wrong with it.
        source: Malformed,
    },
}

// === impl References ===

impl References {
    /// What a Messages request names.
    ///
    /// # Errors
    /// The body is no JSON below its top level: the client's fault.
    pub fn of(head: &Head) -> serde_json::Result<Self> {
        let mut references = Self::default();
        references.add_container(head)?;
        references.add_files(head.body())?;
        references.add_edits(head)?;
        Ok(references)
    }

    /// Adds the files that the edits of a request name.
    ///
    /// # Errors
    /// As [`References::of`].
    pub fn add_edits(&mut self, head: &Head) -> serde_json::Result<()> {
        for edit in head.edits() {
            if let Edit::Set(_, json) = edit {
                self.add_files(json.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Adds what members name that a request will be given.
    ///
    /// # Errors
    /// As [`References::of`].
    pub fn add_sets(&mut self, edits: &[Edit]) -> serde_json::Result<()> {
        for edit in edits {
            match edit {
                Edit::Set(name, json) if name == "container" => self.add_container_value(json)?,
                Edit::Set(_, json) => self.add_files(json.as_bytes())?,
                Edit::Remove(_) => {}
            }
        }
        Ok(())
    }

    /// Adds the container of a Messages request.
    ///
    /// # Errors
    /// As [`References::of`].
    pub fn add_container(&mut self, head: &Head) -> serde_json::Result<()> {
        match head.member("container") {
            Some(container) => self.add_container_value(container),
            None => Ok(()),
        }
    }

    /// Adds what the JSON text of a `container` member names: a string, or an object with an `id`.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn add_container_value(&mut self, json: &str) -> serde_json::Result<()> {
        let mut reader = serde_json::Deserializer::from_str(json);
        let mut seek = Seek {
            name: "id",
            depth: Depth::Top,
            found: &mut self.containers,
        };
        if json.starts_with('"') {
            seek.depth = Depth::Value;
        }
        seek.deserialize(&mut reader)
    }

    /// Adds the files that a body names anywhere, but for what is a tool's own.
    ///
    /// # Errors
    /// As [`References::of`].
    pub fn add_files(&mut self, body: &[u8]) -> serde_json::Result<()> {
        if !may_name_files(body) {
            return Ok(());
        }
        let mut reader = serde_json::Deserializer::from_slice(body);
        Seek {
            name: "file_id",
            depth: Depth::Any,
            found: &mut self.files,
        }
        .deserialize(&mut reader)
    }
}

/// Whether a body can hold the name `file_id`, in any spelling.
fn may_name_files(body: &[u8]) -> bool {
    if memmem::find(body, b"file_id").is_some() {
        return true;
    }
    // Each letter of it can be spelled \u0069 and the like. Escapes of other characters are common and mean nothing.
    memmem::find_iter(body, b"\\u00").any(|at| {
        let digits = body.get(at + 4..at + 6).unwrap_or_default();
        matches!(
            digits.to_ascii_lowercase().as_slice(),
            b"66" | b"69" | b"6c" | b"65" | b"5f" | b"64"
        )
    })
}

/// Reads the parameters of a batch's requests, one after the other.
///
/// # Errors
/// The batch or a request can't be read, or what `each` refuses with.
pub fn each_params<E: From<BadBatch>>(
    head: &Head,
    mut each: impl FnMut(usize, &Head) -> Result<(), E>,
) -> Result<(), E> {
    let body = head.body();
    let (members, _) = head.layout();
    let requests = members
        .iter()
        .find(|member| member.is_named(body, "requests"))
        .ok_or(BadBatch::Shape)?;
    let Kind::Array(count) = requests.kind else {
        return Err(BadBatch::Shape.into());
    };
    let mut seen = 0;
    for (index, element) in Elements::new(requests.value.of(body)).enumerate() {
        let params = params(body, element).map_err(|source| match source {
            Some(source) => BadBatch::Params { index, source },
            None => BadBatch::Shape,
        })?;
        each(index, &params)?;
        seen = index + 1;
    }
    // A list that is malformed ends early, and what follows would not have been looked at.
    if seen == count {
        Ok(())
    } else {
        Err(BadBatch::Shape.into())
    }
}

fn params(body: &Bytes, element: &[u8]) -> Result<Head, Option<Malformed>> {
    let object = Object::document(element, Scanner::Fastest).map_err(Some)?;
    let params = object.member(element, "params").ok_or(None)?;
    Head::scan(body.slice_ref(params.value.of(element))).map_err(Some)
}

/// Collects the texts that stand under a name.
struct Seek<'a> {
    name: &'static str,
    depth: Depth,
    found: &'a mut Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// The value itself is wanted, if it is a text.
    Value,
    /// Only among the members of this value.
    Top,
    /// Wherever it stands.
    Any,
}

/// What to do with a member, by its name.
struct Name(&'static str);

enum Member {
    Wanted,
    Foreign,
    Other,
}

// === impl Seek ===

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if self.depth == Depth::Value {
            self.found.push(text.to_owned());
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(member) = map.next_key_seed(Name(self.name))? {
            let depth = match member {
                Member::Wanted if self.depth != Depth::Value => Depth::Value,
                Member::Other if self.depth == Depth::Any => Depth::Any,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let (name, found) = (self.name, &mut *self.found);
            map.next_value_seed(Seek { name, depth, found })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let depth = match self.depth {
            Depth::Any => Depth::Any,
            Depth::Value | Depth::Top => Depth::Top,
        };
        loop {
            let (name, found) = (self.name, &mut *self.found);
            if list
                .next_element_seed(Seek { name, depth, found })?
                .is_none()
            {
                return Ok(());
            }
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

// === impl Name ===

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Member;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Member, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Member;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Member, E> {
        Ok(if name == self.0 {
            Member::Wanted
        } else if TOOLS_OWN.contains(&name) {
            Member::Foreign
        } else {
            Member::Other
        })
    }
}

#[cfg(test)]
mod tests;
