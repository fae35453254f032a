//! The `usage` record of a message, of `message_start` and, cumulative and shorter, of `message_delta`.

use serde::Serialize;

use super::cache::InputTokens;

/// The usage of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) input: InputTokens,
    /// Output tokens, including thinking.
    pub(super) output: u64,
    pub(super) thinking: u64,
    /// `inference_geo` of the request.
    pub(super) geo: Option<String>,
    /// `speed` of the request.
    pub(super) speed: Option<String>,
}

/// The complete record.
#[derive(Serialize)]
pub(super) struct FullUsage<'a> {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation: CacheCreation,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
    service_tier: &'static str,
    inference_geo: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<&'a str>,
}

/// The record of `message_delta`: cumulative, and without cache creation, tier, geo and speed.
#[derive(Serialize)]
pub(super) struct DeltaUsage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Serialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    thinking_tokens: u64,
}

// === impl Usage ===

impl Usage {
    /// Returns the usage of a complete message.
    pub(super) fn full(&self) -> FullUsage<'_> {
        FullUsage {
            output_tokens: self.output,
            output_tokens_details: self.details(),
            ..self.start()
        }
    }

    /// Returns the usage of `message_start`, with the API's placeholder of 1 for the output.
    pub(super) fn start(&self) -> FullUsage<'_> {
        FullUsage {
            input_tokens: self.input.fresh,
            cache_creation_input_tokens: self.input.written(),
            cache_read_input_tokens: self.input.read,
            cache_creation: CacheCreation {
                ephemeral_5m_input_tokens: self.input.written_5m,
                ephemeral_1h_input_tokens: self.input.written_1h,
            },
            output_tokens: 1,
            output_tokens_details: None,
            service_tier: "standard",
            inference_geo: self.geo.as_deref().unwrap_or("global"),
            speed: self.speed.as_deref(),
        }
    }

    pub(super) fn delta(&self) -> DeltaUsage {
        DeltaUsage {
            input_tokens: self.input.fresh,
            cache_creation_input_tokens: self.input.written(),
            cache_read_input_tokens: self.input.read,
            output_tokens: self.output,
            output_tokens_details: self.details(),
        }
    }

    fn details(&self) -> Option<OutputDetails> {
        (self.thinking > 0).then_some(OutputDetails {
            thinking_tokens: self.thinking,
        })
    }
}
