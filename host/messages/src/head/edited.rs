//! A request as it will be sent: the body received and its edits.
//!
//! The accessors of an edited head describe the body after the edits. Nothing of the body is copied or scanned again: only the
//! texts of the edits are read.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Facts, Head};
use crate::splice::{Edit, EditError, Spliced, assemble, resolve};

/// Edits of a body.
#[derive(Debug)]
pub(super) struct Edited {
    /// The edits in order; of several edits of one member the last one counts.
    edits: Vec<Edit>,
    /// Length of the edited body in bytes.
    len: usize,
}

// === impl Edited ===

impl Edited {
    /// Returns the edited member of this name, or `None` if no edit concerns it.
    pub(super) fn member(&self, name: &str) -> Option<Option<&str>> {
        let edit = self.edits.iter().rfind(|edit| edit.name() == name)?;
        Some(match edit {
            Edit::Remove(_) => None,
            Edit::Set(_, json) => Some(json.trim_ascii()),
            // Resolved before.
            Edit::Insert(_) => None,
        })
    }
}

// === impl Head ===

impl Head {
    /// Returns the head of the body with these edits applied.
    ///
    /// [`Head::body`] and [`Head::members`] still describe the body as received; [`Head::sent`] returns the bytes to send.
    ///
    /// # Errors
    /// [`EditError`] if a new value is not JSON, or of a type that policy cannot read.
    pub fn edited(&self, edits: &[Edit]) -> Result<Self, EditError> {
        if edits.is_empty() {
            return Ok(self.clone());
        }
        edits.iter().try_for_each(Edit::check)?;
        let edits = resolve(self, edits)?;
        if let Cow::Owned(resolved) = &edits {
            resolved.iter().try_for_each(Edit::check)?;
        }
        let edits: Vec<Edit> = self.edits().iter().chain(&*edits).cloned().collect();
        Ok(Self {
            body: self.body.clone(),
            object: self.object.clone(),
            facts: Facts::edited(&self.body, &self.object, &edits)?,
            edited: Some(Arc::new(Edited {
                len: assemble(self, &edits).len(),
                edits,
            })),
        })
    }

    /// Returns the edits of the body.
    pub fn edits(&self) -> &[Edit] {
        self.edited.as_ref().map_or(&[], |edited| &edited.edits)
    }

    /// Returns the body as it will be sent, in parts.
    pub fn sent(&self) -> Spliced {
        assemble(self, self.edits())
    }

    /// Returns the length in bytes of the body as it will be sent.
    pub fn sent_len(&self) -> usize {
        self.edited
            .as_ref()
            .map_or(self.body.len(), |edited| edited.len)
    }
}
