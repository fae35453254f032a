//! The plugin of this folder's README in Rust.

use serde::Deserialize;
use witgate_plugin::types::{Envelope, Plan, Refusal, UpstreamStats};
use witgate_plugin::{Plugin, Problems, Request, Route};

/// The settings are all there is to it.
#[derive(Debug, Deserialize)]
pub struct SmallFirst {
    /// The model that small prompts get.
    cheap_model: String,
    /// Prompts of fewer tokens are small.
    max_prompt_tokens: u64,
    /// Models whose names start like this are refused.
    blocked_prefix: String,
}

witgate_plugin::export!(SmallFirst: Route);

// === impl SmallFirst ===

impl Plugin for SmallFirst {
    type Settings = Self;

    fn configure(settings: Self) -> Result<Self, Problems> {
        Ok(settings)
    }
}

impl Route for SmallFirst {
    fn decide(
        &self,
        request: &Request<'_>,
        _: &Envelope,
        _: &[UpstreamStats],
    ) -> Result<Option<Plan>, Refusal> {
        let head = request.head();
        let Some(model) = head.model else {
            return Ok(None);
        };
        if model.starts_with(&self.blocked_prefix) {
            return Err(Refusal::forbidden(format!(
                "the model {model} is not for this gateway's callers"
            )));
        }
        if head.prompt_tokens < self.max_prompt_tokens {
            let plan = Plan::to("default").model(&self.cheap_model).rule("small");
            return Ok(Some(plan));
        }
        Ok(None)
    }
}
