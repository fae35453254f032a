//! Lines about upstreams that speak another dialect than the API's.

use witgate_gateway::config::{
    BedrockConfig, DialectConfig, FoundryConfig, OnRefused, VertexConfig,
};

/// Returns a line about an upstream: what it is, how it is let in, and its policy.
pub(super) fn line(name: &str, dialect: &DialectConfig) -> String {
    let policy = match dialect.policy().on_refused {
        OnRefused::Strip => "strip",
        OnRefused::Skip => "skip",
        OnRefused::Fail => "fail",
    };
    let what = match dialect {
        DialectConfig::Bedrock(bedrock) => of_bedrock(bedrock),
        DialectConfig::Vertex(vertex) => of_vertex(vertex),
        DialectConfig::Foundry(foundry) => of_foundry(foundry),
    };
    format!("{name}: {what}; what it refuses: {policy}")
}

fn of_bedrock(bedrock: &BedrockConfig) -> String {
    let credential = match &bedrock.keys {
        // Wrong ones are a problem of the configuration.
        Some(keys) => format!("keys from {}", keys.look().unwrap_or_else(|error| error)),
        None => "an API key".to_owned(),
    };
    let profiles = match bedrock.geography.prefix() {
        "" => "without inference profiles".to_owned(),
        prefix => format!("with inference profiles {prefix}*"),
    };
    format!(
        "Amazon Bedrock in {}, {profiles}; {credential}",
        bedrock.region
    )
}

fn of_vertex(vertex: &VertexConfig) -> String {
    let credential = match &vertex.google {
        Some(google) => format!("tokens by {}", google.look().unwrap_or_else(|error| error)),
        None => "a token of the configuration".to_owned(),
    };
    format!("Vertex AI in {}; {credential}", vertex.place)
}

fn of_foundry(foundry: &FoundryConfig) -> String {
    let credential = match &foundry.entra {
        Some(entra) => format!("let in by {}", entra.look().unwrap_or_else(|error| error)),
        None => "a key of the configuration".to_owned(),
    };
    format!(
        "Microsoft Foundry, resource {}; {credential}",
        foundry.resource
    )
}
