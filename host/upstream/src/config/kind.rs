//! The kinds of upstreams.

use serde::Deserialize;

/// The kind of server that an upstream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamKind {
    /// The API of Anthropic.
    Anthropic,
    /// Any other server that speaks Messages.
    Messages,
    /// Amazon Bedrock, which serves the same models in a dialect of its own.
    Bedrock,
    /// Google's Vertex AI, which does so, too.
    Vertex,
    /// Microsoft Foundry, which does so, too.
    Foundry,
}

// === impl UpstreamKind ===

impl UpstreamKind {
    /// Returns the name in the configuration.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Messages => "messages",
            Self::Bedrock => "bedrock",
            Self::Vertex => "vertex",
            Self::Foundry => "foundry",
        }
    }

    /// Returns whose thinking an upstream of this kind signs, unless the operator says otherwise.
    pub(super) fn provider(self) -> &'static str {
        match self {
            Self::Anthropic | Self::Messages => "anthropic",
            Self::Bedrock | Self::Vertex | Self::Foundry => self.code(),
        }
    }

    /// Returns the name of the cloud; `None` for a server that speaks the API's own dialect.
    pub(super) fn cloud(self) -> Option<&'static str> {
        match self {
            Self::Anthropic | Self::Messages => None,
            Self::Bedrock => Some("Amazon Bedrock"),
            Self::Vertex => Some("Vertex AI"),
            Self::Foundry => Some("Microsoft Foundry"),
        }
    }

    /// Returns what a configured credential is in this cloud.
    pub(super) fn credential(self) -> &'static str {
        match self {
            Self::Anthropic | Self::Messages => "a credential",
            Self::Bedrock => "an API key of Amazon Bedrock",
            Self::Vertex => "a token of Google's",
            Self::Foundry => "a key of the resource, or a token",
        }
    }
}
