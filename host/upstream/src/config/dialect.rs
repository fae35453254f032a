//! The settings of upstreams that speak another dialect than the API's.

pub(super) mod file;

use std::collections::BTreeMap;

use witgate_config_file::Check;
use witgate_dialect::Policy;

use self::file::{DialectFile, OwnKey};
use super::base_url::BaseUrl;
use super::bedrock::BedrockConfig;
use super::entra::EntraConfig;
use super::foundry::FoundryConfig;
use super::google::GoogleConfig;
use super::keys::KeysConfig;
use super::kind::UpstreamKind;
use super::vertex::VertexConfig;

/// The settings of an upstream that speaks another dialect than the API's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialectConfig {
    /// Amazon Bedrock.
    Bedrock(BedrockConfig),
    /// Google's Vertex AI.
    Vertex(VertexConfig),
    /// Microsoft Foundry.
    Foundry(FoundryConfig),
}

/// The way in which a cloud knows the gateway: by something that is found where the cloud's own tools find it, and that may end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Keys of AWS.
    Aws(KeysConfig),
    /// Tokens of Google's.
    Google(GoogleConfig),
    /// A key of a resource, or tokens of Microsoft Entra.
    Entra(EntraConfig),
}

/// Checks the keys of an upstream of this kind. Returns the settings and the address; `None` for a kind without a dialect, or if no
/// stand-in can be made for a wrong value.
pub(super) fn check(
    file: DialectFile,
    kind: UpstreamKind,
    own_key: OwnKey,
    check: &mut Check<'_>,
) -> Option<(DialectConfig, BaseUrl)> {
    file.refuse(kind, check);
    match kind {
        UpstreamKind::Anthropic | UpstreamKind::Messages => None,
        UpstreamKind::Bedrock => {
            let (config, base) = file.bedrock(own_key, check)?;
            Some((DialectConfig::Bedrock(config), base))
        }
        UpstreamKind::Vertex => {
            let (config, base) = file.vertex(own_key, check)?;
            Some((DialectConfig::Vertex(config), base))
        }
        UpstreamKind::Foundry => {
            let (config, base) = file.foundry(own_key, check)?;
            Some((DialectConfig::Foundry(config), base))
        }
    }
}

// === impl DialectConfig ===

impl DialectConfig {
    /// Returns the names of models that the operator gave, in order.
    pub fn models(&self) -> Vec<&str> {
        fn names<T>(models: &BTreeMap<String, T>) -> Vec<&str> {
            models.keys().map(String::as_str).collect()
        }
        match self {
            Self::Bedrock(bedrock) => names(&bedrock.models),
            Self::Vertex(vertex) => names(&vertex.models),
            Self::Foundry(foundry) => names(&foundry.models),
        }
    }

    /// Returns the policy for what the service refuses.
    pub fn policy(&self) -> &Policy {
        match self {
            Self::Bedrock(bedrock) => &bedrock.policy,
            Self::Vertex(vertex) => &vertex.policy,
            Self::Foundry(foundry) => &foundry.policy,
        }
    }

    /// Returns the region or location that serves requests, or `None` where there is none.
    pub fn region(&self) -> Option<&str> {
        match self {
            Self::Bedrock(bedrock) => Some(&bedrock.region),
            Self::Vertex(vertex) => Some(vertex.place.location()),
            Self::Foundry(_) => None,
        }
    }

    /// Returns the identity, or `None` if the upstream has a configured credential.
    pub fn identity(&self) -> Option<Identity> {
        match self {
            Self::Bedrock(bedrock) => bedrock.keys.clone().map(Identity::Aws),
            Self::Vertex(vertex) => vertex.google.clone().map(Identity::Google),
            Self::Foundry(foundry) => foundry.entra.clone().map(Identity::Entra),
        }
    }
}
