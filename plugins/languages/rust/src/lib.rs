//! The plugin of `plugins/languages/README.md` in Rust.

use serde::Deserialize;
use witgate_plugin::types::{Hook, Interest, Plan, Refusal};
use witgate_plugin::{Plugin, Problems, Request, Route};

/// The plugin, which consists of its settings.
#[derive(Debug, Deserialize)]
pub struct SmallFirst {
    /// Model for small prompts.
    cheap_model: String,
    /// Size from which a prompt is no longer small, in tokens.
    max_prompt_tokens: u64,
    /// Prefix of the names of models that are refused.
    blocked_prefix: String,
}

witgate_plugin::export!(SmallFirst: Route);

// === impl SmallFirst ===

impl Plugin for SmallFirst {
    type Settings = Self;

    fn configure(settings: Self) -> Result<Self, Problems> {
        Ok(settings)
    }

    fn interests(&self) -> Vec<Interest> {
        // The host does not call `decide` for other endpoints.
        vec![Interest::of(Hook::Route).endpoints(["messages"])]
    }
}

impl Route for SmallFirst {
    fn decide(&self, request: &Request<'_>) -> Result<Option<Plan>, Refusal> {
        if request.context().resource().is_some() {
            return Ok(None);
        }
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
