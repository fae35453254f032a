//! Edits of top-level members that leave every other byte of a body unchanged.
//!
//! A splice produces the new body in parts: slices of the old one, which are not copied, and the new values. A removed member
//! takes exactly one comma with it; blanks stay. A member is set in place, or appended after the last one.

mod insert;

pub(crate) use insert::resolve;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::head::{Facts, Head};
use crate::json::{Malformed, MalformedKind, Member};

/// An edit of one top-level member. Names are compared with escapes resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Removes the member of this name, if it exists.
    Remove(String),
    /// Sets the member of this name to this JSON text.
    Set(String, String),
    /// Adds an element to an array.
    Insert(Insertion),
}

/// A new element of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insertion {
    /// The member, which is created if it is absent.
    pub member: String,
    /// The index that the element gets. If it is `None` or past the end, the element becomes the last one.
    pub index: Option<usize>,
    /// The element as JSON text.
    pub element: String,
}

/// The error of an edit that would break the body. The author of the edit is at fault, never the client.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The new value is not JSON.
    #[error("the new value of `{name}` is not JSON: {source}")]
    NotJson {
        /// The member.
        name: String,
        /// The position and the error in the value.
        source: serde_json::Error,
    },
    /// The member is no array, so nothing can be added to it.
    #[error("`{name}` is not an array, so nothing can be added to it")]
    NotArray {
        /// The member.
        name: String,
    },
    /// The new value is JSON that a request cannot have there.
    #[error("the new value of `{name}` is not allowed: {source}")]
    Unfit {
        /// The member.
        name: String,
        /// The error in the value.
        source: MalformedKind,
    },
}

/// A body after its edits, in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spliced {
    parts: SmallVec<[Bytes; 4]>,
    len: usize,
}

/// A stretch of the old body and its replacement.
pub(crate) struct Cut {
    start: usize,
    end: usize,
    text: Bytes,
}

/// Applies edits to the body of `head`, after the edits that it has. Of several edits of one member the last one counts.
///
/// # Errors
/// [`EditError`] if a new value is not JSON.
pub fn splice(head: &Head, edits: &[Edit]) -> Result<Spliced, EditError> {
    edits.iter().try_for_each(Edit::check_json)?;
    let edits = resolve(head, edits)?;
    if head.edits().is_empty() {
        return Ok(assemble(head, &edits));
    }
    let edits: Vec<Edit> = head.edits().iter().chain(&*edits).cloned().collect();
    Ok(assemble(head, &edits))
}

/// Applies checked edits to the body of `head` as received.
pub(crate) fn assemble(head: &Head, edits: &[Edit]) -> Spliced {
    Spliced::assemble(head.body(), cuts(head, edits))
}

/// Returns the cuts that checked edits make in the body of `head` as received, in order.
pub(crate) fn cuts(head: &Head, edits: &[Edit]) -> SmallVec<[Cut; 4]> {
    let body = head.body();
    let (members, closing_brace) = head.layout();

    // The edit of each existing member; edits of missing members are handled when they are appended.
    let mut fates: SmallVec<[Option<&Edit>; 16]> = members.iter().map(|_| None).collect();
    let mut added = SmallVec::<[(&str, &str); 4]>::new();
    for edit in edits {
        if let Some(fate) = head
            .find(edit.name())
            .and_then(|index| fates.get_mut(index))
        {
            *fate = Some(edit);
            continue;
        }
        match edit {
            Edit::Remove(name) => added.retain(|(earlier, _)| *earlier != name),
            Edit::Set(name, text) => match added.iter_mut().find(|(earlier, _)| *earlier == name) {
                Some((_, earlier)) => *earlier = text,
                None => added.push((name, text)),
            },
            // Resolved before.
            Edit::Insert(_) => {}
        }
    }

    let last_kept = fates
        .iter()
        .rposition(|fate| !matches!(fate, Some(Edit::Remove(_))));
    let mut cuts = SmallVec::<[Cut; 4]>::new();
    for (index, (member, fate)) in members.iter().zip(&fates).enumerate() {
        match fate {
            Some(Edit::Set(_, text)) => {
                let text = Bytes::copy_from_slice(text.as_bytes());
                cuts.push(Cut {
                    start: member.value.start,
                    end: member.value.end,
                    text,
                });
            }
            Some(Edit::Remove(_)) => {
                let start = member.name.start - 1;
                // The comma after it is removed as well, or the comma before it if no member follows.
                if last_kept.is_some_and(|last| index < last) {
                    push_removal(&mut cuts, start, member.value.end);
                    push_comma(&mut cuts, body, Some(member), members.get(index + 1));
                } else {
                    let before = index.checked_sub(1).and_then(|before| members.get(before));
                    push_comma(&mut cuts, body, before, Some(member));
                    push_removal(&mut cuts, start, member.value.end);
                }
            }
            Some(Edit::Insert(_)) | None => {}
        }
        if last_kept == Some(index) && !added.is_empty() {
            cuts.push(Cut {
                start: member.value.end,
                end: member.value.end,
                text: appended(",", &added),
            });
        }
    }
    if last_kept.is_none() && !added.is_empty() {
        cuts.push(Cut {
            start: closing_brace,
            end: closing_brace,
            text: appended("", &added),
        });
    }
    cuts
}

/// Adds a cut, in order. A cut adjacent to the one before is joined with it, so that a removal is one gap.
fn push_removal(cuts: &mut SmallVec<[Cut; 4]>, start: usize, end: usize) {
    match cuts.last_mut() {
        Some(last) if last.end == start && last.text.is_empty() => last.end = end,
        _ => cuts.push(Cut {
            start,
            end,
            text: Bytes::new(),
        }),
    }
}

fn push_comma(
    cuts: &mut SmallVec<[Cut; 4]>,
    body: &[u8],
    before: Option<&Member>,
    after: Option<&Member>,
) {
    let (Some(before), Some(after)) = (before, after) else {
        return;
    };
    let gap = body
        .get(before.value.end..after.name.start)
        .unwrap_or_default();
    if let Some(place) = memchr::memchr(b',', gap) {
        let comma = before.value.end + place;
        push_removal(cuts, comma, comma + 1);
    }
}

fn appended(separator: &str, added: &[(&str, &str)]) -> Bytes {
    let mut text = String::new();
    for (index, (name, value)) in added.iter().enumerate() {
        text.push_str(if index == 0 { separator } else { "," });
        text.push_str(&serde_json::Value::from(*name).to_string());
        text.push(':');
        text.push_str(value);
    }
    Bytes::from(text)
}

// === impl Cut ===

impl Cut {
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Returns the same cut, relative to a document in which this one begins at `start`.
    pub(crate) fn within(mut self, start: usize) -> Self {
        self.start += start;
        self.end += start;
        self
    }
}

// === impl Edit ===

impl Edit {
    /// Returns the name of the member.
    pub fn name(&self) -> &str {
        match self {
            Self::Remove(name) | Self::Set(name, _) => name,
            Self::Insert(insertion) => &insertion.member,
        }
    }

    /// Checks that the new value is JSON, and of a type that policy can read.
    ///
    /// # Errors
    /// [`EditError`]. The author of the edit is at fault.
    pub fn check(&self) -> Result<(), EditError> {
        self.check_json()?;
        match self {
            Self::Remove(_) | Self::Insert(_) => Ok(()),
            Self::Set(name, json) => Facts::check(name, json),
        }
    }

    fn check_json(&self) -> Result<(), EditError> {
        let (name, json) = match self {
            Self::Set(name, json) => (name, json),
            Self::Insert(insertion) => (&insertion.member, &insertion.element),
            Self::Remove(_) => return Ok(()),
        };
        serde_json::from_str::<&serde_json::value::RawValue>(json)
            .map(drop)
            .map_err(|source| EditError::NotJson {
                name: name.clone(),
                source,
            })
    }
}

// === impl EditError ===

impl EditError {
    pub(crate) fn of(name: &str, source: Malformed) -> Self {
        Self::Unfit {
            name: name.to_owned(),
            source: source.kind,
        }
    }
}

// === impl Spliced ===

impl Spliced {
    pub(crate) fn assemble(body: &Bytes, cuts: impl IntoIterator<Item = Cut>) -> Self {
        let mut spliced = Self {
            parts: SmallVec::new(),
            len: 0,
        };
        let mut at = 0;
        for cut in cuts {
            spliced.push(body.slice(at..cut.start));
            spliced.push(cut.text);
            at = cut.end;
        }
        spliced.push(body.slice(at..));
        spliced
    }

    fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.len += part.len();
            self.parts.push(part);
        }
    }

    /// Returns the parts in order, none of them empty.
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// Consumes the splice and returns the parts in order.
    pub fn into_parts(self) -> SmallVec<[Bytes; 4]> {
        self.parts
    }

    /// Returns the total length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns true if there are no bytes, which never happens for a spliced body.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the body in one piece. Copies unless there is only one part, as without edits.
    pub fn into_bytes(mut self) -> Bytes {
        match self.parts.as_mut_slice() {
            [only] => std::mem::take(only),
            parts => {
                let mut whole = Vec::with_capacity(self.len);
                for part in parts {
                    whole.extend_from_slice(part);
                }
                Bytes::from(whole)
            }
        }
    }
}
