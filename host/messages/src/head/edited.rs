//! A request as it will be sent: the body that came, and what will be changed in it.
//!
//! Everything that a head says is then true of the body after the changes. Nothing of the body is copied or scanned
//! again: only the texts of the edits are read.

use std::sync::Arc;

use super::{Facts, Head};
use crate::splice::{Edit, EditError, Spliced, assemble};

/// What will be changed in a body.
#[derive(Debug)]
pub(super) struct Edited {
    /// In order; of several of one member the last one counts.
    edits: Vec<Edit>,
    /// Length of the body after them.
    len: usize,
}

// === impl Edited ===

impl Edited {
    /// The member of this name, if an edit has a say about it.
    pub(super) fn member(&self, name: &str) -> Option<Option<&str>> {
        let edit = self.edits.iter().rfind(|edit| edit.name() == name)?;
        Some(match edit {
            Edit::Remove(_) => None,
            Edit::Set(_, json) => Some(json.trim_ascii()),
        })
    }
}

// === impl Head ===

impl Head {
    /// Returns the head of the body as it will be with these edits made in it.
    ///
    /// [`Head::body`] and [`Head::members`] go on to tell of the body as it came; [`Head::sent`] gives the bytes to send.
    ///
    /// # Errors
    /// [`EditError`] when a text to set is no JSON, or of a type that policy can't read.
    pub fn edited(&self, edits: &[Edit]) -> Result<Self, EditError> {
        if edits.is_empty() {
            return Ok(self.clone());
        }
        edits.iter().try_for_each(Edit::check)?;
        let edits: Vec<Edit> = self.edits().iter().chain(edits).cloned().collect();
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

    /// The edits that will be made in the body.
    pub fn edits(&self) -> &[Edit] {
        self.edited.as_ref().map_or(&[], |edited| &edited.edits)
    }

    /// The body as it will be sent, in parts.
    pub fn sent(&self) -> Spliced {
        assemble(self, self.edits())
    }

    /// Length of the body as it will be sent.
    pub fn sent_len(&self) -> usize {
        self.edited
            .as_ref()
            .map_or(self.body.len(), |edited| edited.len)
    }
}
