//! Conditions for calling a hook.

use super::{Endpoint, Hook, Interest};

// === impl Interest ===

impl Interest {
    /// Starts a condition that always holds.
    #[must_use]
    pub fn of(hook: Hook) -> Self {
        Self {
            hook,
            endpoints: None,
            except_endpoints: None,
            models: None,
            headers: None,
            tiers: None,
            attributes: None,
            secondary_index: false,
            members: None,
        }
    }

    /// Demands that one of these operations is requested.
    #[must_use]
    pub fn endpoints(mut self, codes: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.endpoints = Some(endpoints(codes));
        self
    }

    /// Demands that none of these operations is requested.
    #[must_use]
    pub fn except_endpoints(mut self, codes: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.except_endpoints = Some(endpoints(codes));
        self
    }

    /// Demands that one of these patterns matches the request's model or resource. Also holds for a request that may name further
    /// models, such as a new batch.
    #[must_use]
    pub fn models(mut self, patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.models = Some(patterns.into_iter().map(Into::into).collect());
        self
    }

    /// Demands that the body has one of these top-level members.
    #[must_use]
    pub fn members(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.members = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Demands that the request has one of these headers, by their lowercase names or by prefixes followed by `*`.
    #[must_use]
    pub fn headers(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.headers = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Demands that the caller has one of these tiers.
    #[must_use]
    pub fn tiers(mut self, tiers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tiers = Some(tiers.into_iter().map(Into::into).collect());
        self
    }

    /// Demands that the context has one of these attributes.
    #[must_use]
    pub fn attributes(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.attributes = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Demands that the context has a secondary index.
    #[must_use]
    pub fn secondary_index(mut self) -> Self {
        self.secondary_index = true;
        self
    }
}

fn endpoints(codes: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<Endpoint> {
    codes
        .into_iter()
        .map(|code| Endpoint::of(code.as_ref()))
        .collect()
}
