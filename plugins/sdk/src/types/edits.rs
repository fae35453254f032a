//! Changes of the request body.

use super::{Edit, Insertion};

// === impl Edit ===

impl Edit {
    /// Removes a top-level member.
    #[must_use]
    pub fn remove(member: impl Into<String>) -> Self {
        Self::Remove(member.into())
    }

    /// Sets a top-level member to a JSON text.
    #[must_use]
    pub fn set(member: impl Into<String>, json: impl Into<String>) -> Self {
        Self::Set((member.into(), json.into()))
    }

    /// Adds an element, a JSON text, to the end of a top-level array.
    #[must_use]
    pub fn append(member: impl Into<String>, element: impl Into<String>) -> Self {
        Self::Insert(Insertion {
            member: member.into(),
            index: None,
            element: element.into(),
        })
    }

    /// Adds an element, a JSON text, to a top-level array at an index, counted from 0.
    #[must_use]
    pub fn insert(member: impl Into<String>, index: u32, element: impl Into<String>) -> Self {
        Self::Insert(Insertion {
            member: member.into(),
            index: Some(index),
            element: element.into(),
        })
    }
}
