//! The facts that plugins ask the host for.

use serde::Serialize;

use super::{Attribute, Field, Value};

/// The authenticated caller. Credentials are never visible to a guest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// The public id of the virtual key. Never the key itself.
    pub key_id: String,
    /// The tenant that owns the key.
    pub tenant: Option<String>,
    /// The person or service that uses the key.
    pub user: Option<String>,
    /// The tier of the key, for example `free` or `enterprise`.
    pub tier: Option<String>,
    /// Further labels of the key.
    pub labels: Vec<Attribute>,
}

/// The host's scan of the top level of the request body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Head {
    /// The `model` member.
    pub model: Option<String>,
    /// `true` if the `stream` member is.
    pub stream: bool,
    /// The `max_tokens` member.
    pub max_tokens: Option<u64>,
    /// The number of elements of `messages`.
    pub message_count: u32,
    /// The number of elements of `tools`.
    pub tool_count: u32,
    /// The length of the body in bytes.
    pub body_bytes: u64,
    /// The embedder's estimate of the prompt's size in tokens.
    pub prompt_tokens: u64,
}

/// The state of an upstream over the last minute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UpstreamStats {
    /// The name of the upstream in the embedder's configuration.
    pub name: String,
    /// The number of requests in progress.
    pub in_flight: u32,
    /// The number of requests that ended.
    pub requests: u64,
    /// The number of these that failed by the upstream's fault.
    pub errors: u64,
    /// Further facts under open names.
    pub attributes: Vec<Attribute>,
}

/// The embedder's upstreams, which a route hook asks for by name.
///
/// Methods are called during a guest call and must not block, as those of [`Request`](crate::Request).
pub trait Upstreams: Send + Sync {
    /// Returns the names of all upstreams, in the embedder's order.
    fn names(&self) -> Vec<String>;
    /// Returns whether there is an upstream of this name. The host checks plans with it.
    fn has(&self, name: &str) -> bool;
    /// Returns the state of an upstream, or `None` if there is no upstream of this name.
    fn stats(&self, name: &str) -> Option<UpstreamStats>;
}

/// The facts of a finished exchange.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Receipt {
    /// The id that the embedder gave to the request.
    pub id: String,
    /// The facts, in the embedder's order.
    pub fields: Vec<Field>,
}

// === impl Value ===

impl Value {
    /// Returns the length of the text, or 0 for a value that is not a text.
    pub(crate) fn text_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Integer(_) | Self::Flag(_) => 0,
        }
    }
}

// === impl Receipt ===

impl Receipt {
    /// Returns the value of the first field of a name, or `None` if the receipt has no such field.
    pub fn field(&self, name: &str) -> Option<&Value> {
        let found = self.fields.iter().find(|field| field.name == name);
        found.map(|field| &field.value)
    }
}

// === impl Upstreams ===

impl Upstreams for Vec<UpstreamStats> {
    fn names(&self) -> Vec<String> {
        self.iter().map(|stats| stats.name.clone()).collect()
    }

    fn has(&self, name: &str) -> bool {
        self.iter().any(|stats| stats.name == name)
    }

    fn stats(&self, name: &str) -> Option<UpstreamStats> {
        self.iter().find(|stats| stats.name == name).cloned()
    }
}
