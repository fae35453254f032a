//! The whole answer.

use witgate_plugin::json::Json;

use crate::chat::answer::refusal;
use crate::out::Out;
use crate::usage::Usage;

/// The facts of a response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) created: u64,
}

/// The state of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Completed,
    /// The model stopped early, for this reason.
    Incomplete(&'static str),
}

/// Turns a message into a response, made at this time in Unix seconds.
pub(crate) fn translate(message: &Json<'_>, created: u64) -> String {
    let text = |name| message.get(name).and_then(Json::as_str).unwrap_or_default();
    let facts = Facts {
        id: text("id").to_owned(),
        model: text("model").to_owned(),
        created,
    };
    let mut usage = Usage::default();
    if let Some(given) = message.get("usage") {
        usage.update(given);
    }
    let status = Status::after(text("stop_reason"));
    let blocks = match message.get("content") {
        Some(Json::List(blocks)) => &**blocks,
        _ => &[],
    };
    let mut items = Out::default();
    items.array(|out| {
        for (index, block) in blocks.iter().enumerate() {
            item(&facts, index, block, out);
        }
        if let Some(refusal) = refusal(message) {
            out.object(|out| refused(&facts, blocks.len(), refusal, out));
        }
    });
    let mut out = Out::default();
    facts.write(status, &items.finish(), Some(usage), &mut out);
    out.finish()
}

fn item(facts: &Facts, index: usize, block: &Json<'_>, out: &mut Out) {
    let text = |name| block.get(name).and_then(Json::as_str).unwrap_or_default();
    match text("type") {
        "text" => {
            message_item(&facts.item(index), "completed", Some(text("text")), out);
        }
        "tool_use" => {
            let input = block
                .get("input")
                .map_or_else(|| "{}".to_owned(), Json::to_string);
            call_item(text("id"), text("name"), &input, "completed", out);
        }
        // The dialect has nothing for the others.
        _ => {}
    }
}

/// Writes a message. One without a text has no parts yet.
pub(super) fn message_item(id: &str, status: &str, text: Option<&str>, out: &mut Out) {
    out.object(|out| {
        out.text_member("id", id);
        out.text_member("type", "message");
        out.text_member("status", status);
        out.text_member("role", "assistant");
        out.name("content").array(|out| {
            if let Some(text) = text {
                part(text, out);
            }
        });
    });
}

fn refused(facts: &Facts, index: usize, refusal: &str, out: &mut Out) {
    out.text_member("id", &facts.item(index));
    out.text_member("type", "message");
    out.text_member("status", "completed");
    out.text_member("role", "assistant");
    out.name("content").array(|out| {
        out.object(|out| {
            out.text_member("type", "refusal");
            out.text_member("refusal", refusal);
        });
    });
}

/// Writes a part of text.
pub(super) fn part(text: &str, out: &mut Out) {
    out.object(|out| {
        out.text_member("type", "output_text");
        out.text_member("text", text);
        out.name("annotations").array(|_| {});
        out.name("logprobs").array(|_| {});
    });
}

/// Writes the call of a function.
pub(super) fn call_item(id: &str, name: &str, arguments: &str, status: &str, out: &mut Out) {
    out.object(|out| {
        out.text_member("id", &format!("fc_{id}"));
        out.text_member("type", "function_call");
        out.text_member("status", status);
        out.text_member("call_id", id);
        out.text_member("name", name);
        out.text_member("arguments", arguments);
    });
}

// === impl Facts ===

impl Facts {
    /// Returns the id of an item.
    pub(super) fn item(&self, index: usize) -> String {
        format!("{}_{index}", self.id)
    }

    /// Writes the response. What the request said is not repeated.
    pub(super) fn write(&self, status: Status, items: &str, usage: Option<Usage>, out: &mut Out) {
        out.object(|out| {
            out.text_member("id", &format!("resp_{}", self.id));
            out.text_member("object", "response");
            out.member("created_at", self.created);
            out.text_member("status", status.name());
            out.member("error", "null");
            match status {
                Status::Incomplete(reason) => {
                    out.name("incomplete_details").object(|out| {
                        out.text_member("reason", reason);
                    });
                }
                Status::InProgress | Status::Completed => {
                    out.member("incomplete_details", "null");
                }
            }
            out.text_member("model", &self.model);
            out.member("output", items);
            out.member("instructions", "null");
            out.member("metadata", "{}");
            out.member("parallel_tool_calls", true);
            out.member("previous_response_id", "null");
            out.member("store", false);
            out.text_member("tool_choice", "auto");
            out.member("tools", "[]");
            out.text_member("truncation", "disabled");
            match usage {
                Some(usage) => {
                    out.name("usage");
                    usage.write_of_response(out);
                }
                None => {
                    out.member("usage", "null");
                }
            }
        });
    }
}

// === impl Status ===

impl Status {
    /// Returns the state after a message that stopped for this reason.
    pub(super) fn after(stop_reason: &str) -> Self {
        match stop_reason {
            "max_tokens" | "model_context_window_exceeded" => Self::Incomplete("max_output_tokens"),
            "refusal" => Self::Incomplete("content_filter"),
            _ => Self::Completed,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
        }
    }
}
