//! The plugin contract as Rust types, generated from `wit/`.
//!
//! Records arrive and leave as plain owned structs. The request is the exception: guests hold a handle, the embedder
//! holds the [`Request`](crate::Request).

#[allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_lossless,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::semicolon_if_nothing_returned,
    clippy::redundant_clone,
    clippy::clone_on_ref_ptr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unused_qualifications,
    unreachable_pub,
    reason = "generated code"
)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "plugin",
        imports: { default: trappable },
        with: { "witgate:plugin/types.request": crate::guest::RequestHandle },
        additional_derives: [PartialEq],
    });
}

pub(crate) use generated::Plugin as World;
pub(crate) use generated::exports::witgate::plugin as exports;
pub(crate) use generated::witgate::plugin::{clock, log, metrics, settings, types};

pub use generated::exports::witgate::plugin::lifecycle::Problem as SettingsProblem;
pub use generated::witgate::plugin::types::{
    Attribute, Caller, Charge, Edit, Envelope, Estimate, Field, Head, Plan, Receipt, Refusal,
    Remedy, Target, UpstreamStats, Value,
};

/// Name of the WIT package, without the version.
pub(crate) const PACKAGE: &str = "witgate:plugin";

/// The version of the package that this host serves.
pub const CONTRACT_VERSION: &str = "0.1.0";

/// Interfaces that a plugin may import.
pub(crate) const IMPORTS: [&str; 5] = ["types", "log", "metrics", "settings", "clock"];

// === impl Envelope ===

impl Default for Envelope {
    /// The envelope of a request that nobody has said anything about.
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
    /// Takes what `later` says and this envelope does not: the first value of a field stands, lists are joined, a
    /// metadata name keeps its first value.
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
