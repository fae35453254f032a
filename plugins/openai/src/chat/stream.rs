//! The stream of an answer, event by event.
//!
//! The host keeps what a stream remembers between two events. For most events it is read and not written.

use std::fmt::Write as _;

use witgate_plugin::json::{self, Json};

use super::answer::{finish_reason, refusal};
use crate::errors::Error;
use crate::out::Out;
use crate::settings::Settings;
use crate::usage::Usage;

/// A stream of which some events have come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stream {
    /// The chunks' first members, up to `choices`.
    head: String,
    include_usage: bool,
    usage: Usage,
    /// The number of calls of tools that began.
    calls: u64,
    call: Call,
}

/// The call of a tool in the block that is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Call {
    #[default]
    None,
    /// The call has been sent without arguments.
    Begun,
    Sent,
}

/// The translation of an event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Translated {
    /// Text for the client.
    pub(crate) text: String,
    /// `true` if the stream remembers something new.
    pub(crate) is_changed: bool,
}

/// The comment that keeps a connection alive.
const PING: &str = ": ping\n\n";

// === impl Stream ===

impl Stream {
    /// Starts a stream.
    pub(crate) fn new(include_usage: bool) -> Self {
        Self {
            include_usage,
            ..Self::default()
        }
    }

    /// Reads what [`note`](Self::note) wrote. A note that is none starts a stream.
    pub(crate) fn recall(note: &str) -> Self {
        let mut parts = note.splitn(9, ' ');
        let mut number = || {
            parts
                .next()
                .and_then(|part| part.parse().ok())
                .unwrap_or(0_u64)
        };
        let include_usage = number() == 1;
        let usage = Usage {
            input: number(),
            cache_read: number(),
            cache_write: number(),
            output: number(),
            thinking: number(),
        };
        let calls = number();
        let call = match number() {
            1 => Call::Begun,
            2 => Call::Sent,
            _ => Call::None,
        };
        Self {
            head: parts.next().unwrap_or_default().to_owned(),
            include_usage,
            usage,
            calls,
            call,
        }
    }

    /// Writes what the stream remembers.
    pub(crate) fn note(&self) -> String {
        let Usage {
            input,
            cache_read,
            cache_write,
            output,
            thinking,
        } = self.usage;
        let include_usage = u8::from(self.include_usage);
        let call = match self.call {
            Call::None => 0,
            Call::Begun => 1,
            Call::Sent => 2,
        };
        let calls = self.calls;
        format!(
            "{include_usage} {input} {cache_read} {cache_write} {output} {thinking} {calls} {call} {}",
            self.head
        )
    }

    /// Turns the data of an event into chunks. `created` returns the time in Unix seconds.
    ///
    /// # Errors
    ///
    /// The data is no JSON.
    pub(crate) fn event(
        &mut self,
        data: &str,
        created: impl FnOnce() -> u64,
        settings: &Settings,
    ) -> Result<Translated, json::Malformed> {
        let event = json::parse(data)?;
        let mut done = Translated::default();
        let text = &mut done.text;
        match event.get("type").and_then(Json::as_str).unwrap_or_default() {
            "message_start" => {
                done.is_changed = true;
                self.begin(&event, created(), text);
            }
            "content_block_start" => done.is_changed = self.begin_block(&event, text),
            "content_block_delta" => done.is_changed = self.delta(&event, text, settings),
            "content_block_stop" => done.is_changed = self.end_block(text),
            "message_delta" => {
                done.is_changed = true;
                self.message_delta(&event, text);
            }
            "message_stop" => self.end(text),
            "ping" => text.push_str(PING),
            "error" => {
                let mut out = Out::default();
                Error::of(&event).write(&mut out);
                send(&out.finish(), text);
            }
            // Other events have nothing that a chunk could say.
            _ => {}
        }
        Ok(done)
    }

    fn begin(&mut self, event: &Json<'_>, created: u64, text: &mut String) {
        let Some(message) = event.get("message") else {
            return;
        };
        if let Some(usage) = message.get("usage") {
            self.usage.update(usage);
        }
        let member = |name| message.get(name).and_then(Json::as_str).unwrap_or_default();
        let mut out = Out::default();
        out.object(|out| {
            out.text_member("id", member("id"));
            out.text_member("object", "chat.completion.chunk");
            out.member("created", created);
            out.text_member("model", member("model"));
        });
        self.head = out.finish();
        self.head.pop();
        self.delta_chunk(text, |out| {
            out.text_member("role", "assistant");
            out.text_member("content", "");
            out.member("refusal", "null");
        });
    }

    fn begin_block(&mut self, event: &Json<'_>, text: &mut String) -> bool {
        let Some(block) = event.get("content_block") else {
            return false;
        };
        let member = |name| block.get(name).and_then(Json::as_str).unwrap_or_default();
        match member("type") {
            "text" if !member("text").is_empty() => {
                self.delta_chunk(text, |out| {
                    out.text_member("content", member("text"));
                });
                false
            }
            "tool_use" => {
                let index = self.calls;
                self.calls += 1;
                self.call = Call::Begun;
                self.delta_chunk(text, |out| {
                    out.name("tool_calls").array(|out| {
                        out.object(|out| {
                            out.member("index", index);
                            out.text_member("id", member("id"));
                            out.text_member("type", "function");
                            out.name("function").object(|out| {
                                out.text_member("name", member("name"));
                                out.text_member("arguments", "");
                            });
                        });
                    });
                });
                true
            }
            _ => false,
        }
    }

    fn delta(&mut self, event: &Json<'_>, text: &mut String, settings: &Settings) -> bool {
        let Some(delta) = event.get("delta") else {
            return false;
        };
        let member = |name| delta.get(name).and_then(Json::as_str).unwrap_or_default();
        match member("type") {
            "text_delta" => self.delta_chunk(text, |out| {
                out.text_member("content", member("text"));
            }),
            "thinking_delta" if settings.reasoning_content => self.delta_chunk(text, |out| {
                out.text_member("reasoning_content", member("thinking"));
            }),
            // Tools that the provider runs have inputs, too.
            "input_json_delta" if self.call != Call::None => {
                let arguments = member("partial_json");
                if !arguments.is_empty() {
                    self.arguments(arguments, text);
                    return std::mem::replace(&mut self.call, Call::Sent) != Call::Sent;
                }
            }
            _ => {}
        }
        false
    }

    fn end_block(&mut self, text: &mut String) -> bool {
        match std::mem::take(&mut self.call) {
            Call::None => false,
            Call::Sent => true,
            Call::Begun => {
                // Clients read the arguments as JSON.
                self.arguments("{}", text);
                true
            }
        }
    }

    fn arguments(&self, arguments: &str, text: &mut String) {
        self.delta_chunk(text, |out| {
            out.name("tool_calls").array(|out| {
                out.object(|out| {
                    out.member("index", self.calls.saturating_sub(1));
                    out.name("function").object(|out| {
                        out.text_member("arguments", arguments);
                    });
                });
            });
        });
    }

    fn message_delta(&mut self, event: &Json<'_>, text: &mut String) {
        if let Some(usage) = event.get("usage") {
            self.usage.update(usage);
        }
        let Some(delta) = event.get("delta") else {
            return;
        };
        let Some(stop_reason) = delta.get("stop_reason").and_then(Json::as_str) else {
            return;
        };
        let reason = finish_reason(stop_reason);
        self.chunk(text, Some(reason), |out| {
            if let Some(refusal) = refusal(delta) {
                out.text_member("refusal", refusal);
            }
        });
    }

    fn end(&self, text: &mut String) {
        if self.include_usage {
            let mut out = Out::default();
            out.object(|out| {
                out.name("choices").array(|_| {});
                out.name("usage");
                self.usage.write(out);
            });
            let rest = out.finish();
            let _ = write!(
                text,
                "data: {},{}\n\n",
                self.head,
                rest.get(1..).unwrap_or_default()
            );
        }
        text.push_str("data: [DONE]\n\n");
    }

    /// Writes a chunk with a delta.
    fn delta_chunk(&self, text: &mut String, delta: impl FnOnce(&mut Out)) {
        self.chunk(text, None, delta);
    }

    fn chunk(&self, text: &mut String, reason: Option<&str>, delta: impl FnOnce(&mut Out)) {
        let mut out = Out::default();
        out.object(delta);
        let _ = write!(
            text,
            "data: {},\"choices\":[{{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":",
            self.head,
            out.finish()
        );
        let _ = match reason {
            Some(reason) => write!(text, "\"{reason}\"}}]"),
            None => write!(text, "null}}]"),
        };
        text.push_str(match self.include_usage {
            true => ",\"usage\":null}\n\n",
            false => "}\n\n",
        });
    }
}

fn send(data: &str, text: &mut String) {
    let _ = write!(text, "data: {data}\n\n");
}
