//! The usage of an answer.

use witgate_plugin::json::Json;

use crate::out::Out;

/// The tokens of an answer, as far as they are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) input: u64,
    pub(crate) cache_read: u64,
    pub(crate) cache_write: u64,
    pub(crate) output: u64,
    pub(crate) thinking: u64,
}

// === impl Usage ===

impl Usage {
    /// Takes the numbers of a `usage`. Those of a later event stand in place of earlier ones.
    pub(crate) fn update(&mut self, usage: &Json<'_>) {
        let details = usage.get("output_tokens_details");
        let thinking = details.and_then(|details| details.get("thinking_tokens"));
        for (known, given) in [
            (&mut self.input, usage.get("input_tokens")),
            (&mut self.cache_read, usage.get("cache_read_input_tokens")),
            (
                &mut self.cache_write,
                usage.get("cache_creation_input_tokens"),
            ),
            (&mut self.output, usage.get("output_tokens")),
            (&mut self.thinking, thinking),
        ] {
            *known = given.and_then(Json::as_u64).unwrap_or(*known);
        }
    }

    /// Writes the usage of a response.
    pub(crate) fn write_of_response(self, out: &mut Out) {
        let input = self.input + self.cache_read + self.cache_write;
        out.object(|out| {
            out.member("input_tokens", input);
            out.name("input_tokens_details").object(|out| {
                out.member("cached_tokens", self.cache_read);
                out.member("cache_write_tokens", self.cache_write);
            });
            out.member("output_tokens", self.output);
            out.name("output_tokens_details").object(|out| {
                out.member("reasoning_tokens", self.thinking);
            });
            out.member("total_tokens", input + self.output);
        });
    }

    /// Writes the usage of a chat completion.
    pub(crate) fn write(self, out: &mut Out) {
        let input = self.input + self.cache_read + self.cache_write;
        out.object(|out| {
            out.member("prompt_tokens", input);
            out.member("completion_tokens", self.output);
            out.member("total_tokens", input + self.output);
            out.name("prompt_tokens_details").object(|out| {
                out.member("cached_tokens", self.cache_read);
                out.member("cache_write_tokens", self.cache_write);
            });
            out.name("completion_tokens_details").object(|out| {
                out.member("reasoning_tokens", self.thinking);
            });
        });
    }
}
