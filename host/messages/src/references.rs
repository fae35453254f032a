//! Which things at the upstream a request names: its container and its files.
//!
//! Tenants share the upstream's credential, so these ids have to be looked at before the request leaves. A body that names
//! none costs one search and no allocation. Names are found under every spelling that a JSON reader takes for them, and
//! of a name given twice every value is found: whichever the upstream takes was looked at. The search refuses nothing:
//! what [`Head::scan`] has accepted is searched to its end, and what is wrong below the top level is the upstream's to
//! judge.

use bytes::Bytes;
use memchr::memmem;

use crate::head::Head;
use crate::json::{
    Elements, Inside, Kind, Malformed, Named, Object, Scanner, each_named, unescape,
};
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
    pub fn of(head: &Head) -> Self {
        let mut references = Self::default();
        references.add_container(head);
        references.add_files(head.body());
        references.add_edits(head);
        references
    }

    /// Adds the files that the edits of a request name.
    pub fn add_edits(&mut self, head: &Head) {
        for edit in head.edits() {
            if let Edit::Set(_, json) = edit {
                self.add_files(json.as_bytes());
            }
        }
    }

    /// Adds what members name that a request will be given.
    pub fn add_sets(&mut self, edits: &[Edit]) {
        for edit in edits {
            match edit {
                Edit::Set(name, json) if name == "container" => self.add_container_value(json),
                Edit::Set(_, json) => self.add_files(json.as_bytes()),
                Edit::Remove(_) => {}
            }
        }
    }

    /// Adds the container of a Messages request.
    pub fn add_container(&mut self, head: &Head) {
        if let Some(container) = head.member("container") {
            self.add_container_value(container);
        }
    }

    /// Adds what the JSON text of a `container` member names: a string, or an object with an `id`.
    pub fn add_container_value(&mut self, json: &str) {
        if let Some(quoted) = json.trim_ascii().strip_prefix('"') {
            let raw = quoted.strip_suffix('"').unwrap_or(quoted);
            self.containers
                .push(unescape(raw).map_or_else(|_| raw.to_owned(), Into::into));
            return;
        }
        each_named(json.as_bytes(), |named| {
            if named.depth == 1 && named.is("id") {
                self.containers.extend(text(&named));
            }
            Inside::Wanted
        });
    }

    /// Adds the files that a body names anywhere, but for what is a tool's own.
    pub fn add_files(&mut self, body: &[u8]) {
        if !may_name_files(body) {
            return;
        }
        each_named(body, |named| {
            if TOOLS_OWN.iter().any(|own| named.is(own)) {
                return Inside::Unwanted;
            }
            if named.is("file_id") {
                self.files.extend(text(&named));
            }
            Inside::Wanted
        });
    }
}

fn text(named: &Named<'_>) -> Option<String> {
    named.text().map(Into::into)
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

#[cfg(test)]
mod tests;
