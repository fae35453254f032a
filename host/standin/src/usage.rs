//! The `usage` record of a message, of `message_start` and, cumulative and shorter, of `message_delta`.

use serde_json::{Value, json};

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

// === impl Usage ===

impl Usage {
    /// Returns the usage of a complete message.
    pub(super) fn full(&self) -> Value {
        self.record(self.output, self.details().as_ref())
    }

    /// Returns the usage of `message_start`, with the API's placeholder of 1 for the output.
    pub(super) fn start(&self) -> Value {
        self.record(1, None)
    }

    /// Returns the usage of `message_delta`: cumulative, and without cache creation, tier, geo and speed.
    pub(super) fn delta(&self) -> Value {
        without_nulls(json!({
            "input_tokens": self.input.fresh,
            "cache_creation_input_tokens": self.input.written(),
            "cache_read_input_tokens": self.input.read,
            "output_tokens": self.output,
            "output_tokens_details": self.details(),
        }))
    }

    fn record(&self, output: u64, details: Option<&Value>) -> Value {
        without_nulls(json!({
            "input_tokens": self.input.fresh,
            "cache_creation_input_tokens": self.input.written(),
            "cache_read_input_tokens": self.input.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.input.written_5m,
                "ephemeral_1h_input_tokens": self.input.written_1h,
            },
            "output_tokens": output,
            "output_tokens_details": details,
            "service_tier": "standard",
            "inference_geo": self.geo.as_deref().unwrap_or("global"),
            "speed": self.speed,
        }))
    }

    fn details(&self) -> Option<Value> {
        (self.thinking > 0).then(|| json!({"thinking_tokens": self.thinking}))
    }
}

/// Removes the members without a value, which the API leaves out.
fn without_nulls(mut record: Value) -> Value {
    if let Value::Object(members) = &mut record {
        members.retain(|_, value| !value.is_null());
    }
    record
}
