//! Envelopes.

use super::{Edit, Envelope, attribute};

// === impl Envelope ===

impl Default for Envelope {
    /// Returns an envelope that says nothing and changes nothing.
    fn default() -> Self {
        Self {
            correlation_id: None,
            resource: None,
            tenant: None,
            user: None,
            session: None,
            agent: None,
            metadata: Vec::new(),
            timeout_ms: None,
            secondary_index: None,
            edits: Vec::new(),
            response_headers: Vec::new(),
            attributes: Vec::new(),
        }
    }
}

impl Envelope {
    /// Returns the metadata value of `key`, or `None` if there is none.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        attribute(&self.metadata, key)
    }

    /// Returns the value of the first attribute named `name`, or `None` if there is none.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        attribute(&self.attributes, name)
    }

    /// Adds a header to the response.
    #[must_use]
    pub fn response_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.response_headers.push((name.into(), value.into()));
        self
    }

    /// Adds a change of the request body.
    #[must_use]
    pub fn edit(mut self, edit: Edit) -> Self {
        self.edits.push(edit);
        self
    }

    /// Removes a top-level member from the request body.
    #[must_use]
    pub fn remove(self, member: impl Into<String>) -> Self {
        self.edit(Edit::remove(member))
    }

    /// Sets a top-level member of the request body to a JSON text.
    #[must_use]
    pub fn set(self, member: impl Into<String>, json: impl Into<String>) -> Self {
        self.edit(Edit::set(member, json))
    }
}
