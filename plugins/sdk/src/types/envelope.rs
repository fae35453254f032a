//! Envelopes, which start empty and are filled in.

use super::{Edit, Envelope, Receipt, Value, attribute};

// === impl Envelope ===

impl Default for Envelope {
    /// Nothing known, nothing changed.
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
    /// The metadata value of this key.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        attribute(&self.metadata, key)
    }

    /// The first attribute of this name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        attribute(&self.attributes, name)
    }

    /// The same with one more header on the answer.
    #[must_use]
    pub fn response_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.response_headers.push((name.into(), value.into()));
        self
    }

    /// The same, removing a top-level member from the body.
    #[must_use]
    pub fn remove(mut self, member: impl Into<String>) -> Self {
        self.edits.push(Edit::Remove(member.into()));
        self
    }

    /// The same, setting a top-level member of the body to this JSON text.
    #[must_use]
    pub fn set(mut self, member: impl Into<String>, json: impl Into<String>) -> Self {
        self.edits.push(Edit::Set((member.into(), json.into())));
        self
    }
}

// === impl Receipt ===

impl Receipt {
    /// The value of the first field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields
            .iter()
            .find_map(|field| (field.name == name).then_some(&field.value))
    }
}
