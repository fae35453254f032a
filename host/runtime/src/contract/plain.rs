//! Defaults of contract records.

use super::{Caller, Head, Plan, Target};

// === impl Caller ===

impl Default for Caller {
    /// Returns a caller without an identity.
    fn default() -> Self {
        Self {
            key_id: String::new(),
            tenant: None,
            user: None,
            tier: None,
            labels: Vec::new(),
        }
    }
}

// === impl Head ===

impl Default for Head {
    /// Returns the scan of a request without a body.
    fn default() -> Self {
        Self {
            model: None,
            stream: false,
            max_tokens: None,
            message_count: 0,
            tool_count: 0,
            user_id: None,
            body_bytes: 0,
            prompt_tokens: 0,
            attributes: Vec::new(),
        }
    }
}

// === impl Plan ===

impl Plan {
    /// Returns a plan with one upstream and the request's own model.
    pub fn to(upstream: impl Into<String>) -> Self {
        Self {
            rule: None,
            targets: vec![Target {
                upstream: upstream.into(),
                model: None,
                timeout_ms: None,
                attributes: Vec::new(),
            }],
            retry_on: Vec::new(),
            attributes: Vec::new(),
        }
    }
}
