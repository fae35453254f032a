//! NAME: sends small requests to a cheap model.

use serde::Deserialize;
use witgate_plugin::prelude::*;

/// The `[settings]` of NAME.toml.
#[derive(Deserialize)]
struct Settings {
    /// Requests with fewer tokens in the prompt are small.
    small_below: u64,
    /// The model that they get.
    cheap: String,
}

witgate_plugin::plugin!(Settings => Route: decide);

fn decide(
    settings: &Settings,
    request: &Request,
    _: &Envelope,
    _: &[UpstreamStats],
) -> Result<Option<Plan>, Refusal> {
    let small = request.head().prompt_tokens < settings.small_below;
    Ok(small.then(|| Plan::to("default").model(&settings.cheap).rule("small")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use witgate_plugin::testing::RequestBuilder;

    fn decided(prompt_tokens: u64) -> Option<Plan> {
        let settings = Settings {
            small_below: 2_000,
            cheap: "claude-haiku-5-5".to_owned(),
        };
        let request = RequestBuilder::messages()
            .prompt_tokens(prompt_tokens)
            .build();
        decide(&settings, &request, &Envelope::default(), &[]).unwrap()
    }

    #[test]
    fn small_requests_get_the_cheap_model() {
        let plan = decided(1_999).unwrap();
        assert_eq!(plan.targets[0].model.as_deref(), Some("claude-haiku-5-5"));
    }

    #[test]
    fn others_are_left_to_the_next_plugin() {
        assert_eq!(decided(2_000), None);
    }
}
