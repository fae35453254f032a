//! The plugin's settings.

use witgate_plugin::{Problems, Table};

witgate_plugin::settings! {
    /// `[settings]` of `policies/openai.toml`.
    #[derive(Debug, Default)]
    pub struct Settings {
        /// Paths under which OpenAI's endpoints are served: the base URL of clients, without the host.
        pub(crate) bases: Vec<String> = vec!["/v1".to_owned(), "/v1/chat".to_owned(), "/openai/v1".to_owned()],
        /// Claude models by the names that clients use. Other names go on as they are.
        pub(crate) models: Table<String>,
        /// `max_tokens` of requests that set none.
        pub(crate) max_tokens: u64 = 8_192,
        /// Members that are left out, not refused, by their paths without indices: `seed`, `messages.content.image_url.detail`.
        pub(crate) ignore: Vec<String>,
        /// `true` if answers have the model's thinking as `reasoning_content`, which several clients know.
        pub(crate) reasoning_content: bool = false,
        /// `anthropic-version` of requests.
        pub(crate) anthropic_version: String = "2023-06-01".to_owned(),
    }
}

// === impl Settings ===

impl Settings {
    pub(crate) fn check(mut self) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        for (index, base) in self.bases.iter_mut().enumerate() {
            let trimmed = base.trim_end_matches('/');
            if !trimmed.starts_with('/') || trimmed.contains(['*', '?']) {
                problems.push(
                    format!("bases[{index}]"),
                    "a base is a path such as `/v1`: start it with `/`, without `*` and `?`",
                );
            }
            *base = trimmed.to_owned();
        }
        if self.max_tokens == 0 {
            problems.push("max_tokens", "use 1 or more");
        }
        problems.or(self)
    }

    /// Returns the Claude model for a name that a client uses.
    pub(crate) fn model<'a>(&'a self, name: &'a str) -> &'a str {
        self.models.get(name).map_or(name, String::as_str)
    }
}
