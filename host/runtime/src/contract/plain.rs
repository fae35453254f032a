//! Plans of one target.

use super::{Plan, Target};

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
                edits: Vec::new(),
                attributes: Vec::new(),
            }],
            retry_on: None,
            retries: None,
            on_disconnect: None,
            resource: None,
            attributes: Vec::new(),
        }
    }
}
