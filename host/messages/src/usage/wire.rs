//! Usage as it stands in JSON: everything may be absent.

use serde::Deserialize;

use super::{CacheSplit, Iteration, Tokens, Usage};

/// A `usage` object of an answer, a `message_start` or a `message_delta`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct WireUsage {
    #[serde(flatten)]
    tokens: WireTokens,
    output_tokens_details: Option<OutputDetails>,
    server_tool_use: Option<ServerTools>,
    service_tier: Option<String>,
    inference_geo: Option<String>,
    speed: Option<String>,
    iterations: Option<Vec<WireIteration>>,
}

#[derive(Debug, Default, Deserialize)]
struct WireTokens {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<WireSplit>,
}

#[derive(Debug, Deserialize)]
struct WireSplit {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct ServerTools {
    web_search_requests: Option<u64>,
    web_fetch_requests: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct WireIteration {
    r#type: Option<String>,
    model: Option<String>,
    #[serde(flatten)]
    tokens: WireTokens,
}

// === impl WireUsage ===

impl WireUsage {
    /// Whether it says how much was put out.
    pub(crate) fn has_output(&self) -> bool {
        self.tokens.output_tokens.is_some()
    }

    /// Replaces in `usage` what this one mentions.
    pub(crate) fn overwrite(self, usage: &mut Usage) {
        self.tokens.overwrite(&mut usage.tokens);
        if let Some(details) = self.output_tokens_details {
            usage.thinking = details.thinking_tokens.or(usage.thinking);
        }
        if let Some(tools) = self.server_tool_use {
            replace(&mut usage.web_searches, tools.web_search_requests);
            replace(&mut usage.web_fetches, tools.web_fetch_requests);
        }
        usage.service_tier = self.service_tier.or(usage.service_tier.take());
        usage.inference_geo = self.inference_geo.or(usage.inference_geo.take());
        usage.speed = self.speed.or(usage.speed.take());
        if let Some(iterations) = self.iterations {
            usage.iterations = iterations.into_iter().map(WireIteration::read).collect();
        }
    }
}

// === impl WireTokens ===

impl WireTokens {
    fn overwrite(self, tokens: &mut Tokens) {
        replace(&mut tokens.input, self.input_tokens);
        replace(&mut tokens.output, self.output_tokens);
        replace(&mut tokens.cache_read, self.cache_read_input_tokens);
        replace(&mut tokens.cache_write, self.cache_creation_input_tokens);
        let Some(split) = self.cache_creation else {
            return;
        };
        let split = CacheSplit {
            five_minutes: split.ephemeral_5m_input_tokens.unwrap_or_default(),
            one_hour: split.ephemeral_1h_input_tokens.unwrap_or_default(),
        };
        tokens.cache_split = Some(split);
        // An answer that divides its writes but gives no total means their sum.
        if self.cache_creation_input_tokens.is_none() {
            tokens.cache_write = split.five_minutes.saturating_add(split.one_hour);
        }
    }
}

// === impl WireIteration ===

impl WireIteration {
    fn read(self) -> Iteration {
        let mut tokens = Tokens::default();
        self.tokens.overwrite(&mut tokens);
        Iteration {
            kind: self.r#type.unwrap_or_default(),
            model: self.model,
            tokens,
        }
    }
}

fn replace(count: &mut u64, reported: Option<u64>) {
    if let Some(reported) = reported {
        *count = reported;
    }
}
