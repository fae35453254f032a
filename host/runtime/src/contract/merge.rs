//! The merging of several plugins' envelopes.

use super::Envelope;

// === impl Envelope ===

impl Default for Envelope {
    /// Returns an empty envelope.
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
    /// Returns the envelope with its empty texts absent, which is the same in the contract.
    pub(crate) fn without_empty_texts(mut self) -> Self {
        for text in [
            &mut self.correlation_id,
            &mut self.resource,
            &mut self.tenant,
            &mut self.user,
            &mut self.session,
            &mut self.agent,
        ] {
            text.take_if(|text| text.is_empty());
        }
        self
    }

    /// Adds the envelope of a later plugin: fields that this envelope has keep their values, lists are concatenated, and
    /// metadata names keep their first values.
    pub fn merge(&mut self, later: Self) {
        let Self {
            correlation_id,
            resource,
            tenant,
            user,
            session,
            agent,
            metadata,
            timeout_ms,
            secondary_index,
            edits,
            response_headers,
            attributes,
        } = later;
        self.correlation_id = self.correlation_id.take().or(correlation_id);
        self.resource = self.resource.take().or(resource);
        self.tenant = self.tenant.take().or(tenant);
        self.user = self.user.take().or(user);
        self.session = self.session.take().or(session);
        self.agent = self.agent.take().or(agent);
        self.timeout_ms = self.timeout_ms.or(timeout_ms);
        self.secondary_index = self.secondary_index.or(secondary_index);
        for (name, value) in metadata {
            if !self.metadata.iter().any(|(known, _)| *known == name) {
                self.metadata.push((name, value));
            }
        }
        self.edits.extend(edits);
        self.response_headers.extend(response_headers);
        self.attributes.extend(attributes);
    }
}
