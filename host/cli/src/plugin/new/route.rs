//! NAME: sends small requests to a cheap model.

use serde::Deserialize;
use witgate_plugin::prelude::*;

/// The `[settings]` of NAME.toml.
#[derive(Deserialize)]
struct Settings {
    /// Requests with fewer prompt tokens are small.
    small_below: u64,
    /// Model for small requests.
    cheap: String,
}

witgate_plugin::plugin!(Settings => Route: decide);

fn decide(settings: &Settings, request: &Request) -> Result<Option<Plan>, Refusal> {
    let small = request.head().prompt_tokens < settings.small_below;
    Ok(small.then(|| Plan::to("default").model(&settings.cheap).rule("small")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use witgate_plugin::testing::RequestBuilder;

    /// A request of which the plugin sees only what NAME.toml grants.
    fn request() -> RequestBuilder {
        RequestBuilder::messages().sidecar(include_str!("../NAME.toml"))
    }

    /// The decision, with settings that are checked as strictly as the host does.
    fn decided(request: RequestBuilder) -> Option<Plan> {
        let json = r#"{"small_below": 2000, "cheap": "claude-haiku-5-5"}"#;
        let settings: Settings = witgate_plugin::typed(json).unwrap();
        decide(&settings, &request.build()).unwrap()
    }

    #[test]
    fn small_requests_get_the_cheap_model() {
        // The plugin sees the host's scan of this body.
        let body = r#"{"model": "claude-opus-5-5", "messages": [{"role": "user", "content": "Hi"}]}"#;
        let plan = decided(request().body(body)).unwrap();
        assert_eq!(plan.targets[0].model.as_deref(), Some("claude-haiku-5-5"));
    }

    #[test]
    fn other_requests_are_left_to_the_next_plugin() {
        assert_eq!(decided(request().prompt_tokens(2_000)), None);
    }
}
