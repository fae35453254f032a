//! Bedrock's own figures of an invocation.

use std::time::Duration;

use serde::Deserialize;

/// The member `amazon-bedrock-invocationMetrics` of the last event. Figures that Bedrock doesn't give are 0 or absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metrics {
    /// Tokens of the prompt that no cache had.
    pub input_token_count: u64,
    /// Tokens of the answer.
    pub output_token_count: u64,
    /// Tokens of the prompt that were read from a cache.
    pub cache_read_input_token_count: u64,
    /// Tokens of the prompt that were written to a cache.
    pub cache_write_input_token_count: u64,
    /// Milliseconds from the request to the end of the answer.
    pub invocation_latency: Option<u64>,
    /// Milliseconds from the request to the first byte of the answer.
    pub first_byte_latency: Option<u64>,
}

// === impl Metrics ===

impl Metrics {
    /// Returns the time from the request to the end of the answer.
    pub fn total(&self) -> Option<Duration> {
        self.invocation_latency.map(Duration::from_millis)
    }

    /// Returns the time from the request to the first byte of the answer.
    pub fn first_byte(&self) -> Option<Duration> {
        self.first_byte_latency.map(Duration::from_millis)
    }
}
