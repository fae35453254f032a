//! The whole answer.

use witgate_plugin::json::Json;

use crate::out::Out;
use crate::settings::Settings;
use crate::usage::Usage;

/// Turns a message into a chat completion, made at this time in Unix seconds.
pub(crate) fn translate(message: &Json<'_>, created: u64, settings: &Settings) -> String {
    let text = |name| message.get(name).and_then(Json::as_str);
    let blocks = match message.get("content") {
        Some(Json::List(blocks)) => &**blocks,
        _ => &[],
    };
    let stop_reason = text("stop_reason").unwrap_or_default();
    let mut usage = Usage::default();
    if let Some(given) = message.get("usage") {
        usage.update(given);
    }
    let mut out = Out::default();
    out.object(|out| {
        out.text_member("id", text("id").unwrap_or_default());
        out.text_member("object", "chat.completion");
        out.member("created", created);
        out.text_member("model", text("model").unwrap_or_default());
        out.name("choices").array(|out| {
            out.object(|out| {
                out.member("index", 0);
                out.name("message").object(|out| {
                    out.text_member("role", "assistant");
                    said(message, blocks, settings, out);
                    calls(blocks, out);
                });
                out.member("logprobs", "null");
                out.text_member("finish_reason", finish_reason(stop_reason));
            });
        });
        out.name("usage");
        usage.write(out);
    });
    out.finish()
}

/// Writes the texts of an answer.
fn said(message: &Json<'_>, blocks: &[Json<'_>], settings: &Settings, out: &mut Out) {
    let content = joined(blocks, "text", "text");
    match &content {
        Some(content) => out.text_member("content", content),
        None => out.member("content", "null"),
    };
    match refusal(message).filter(|_| content.is_none()) {
        Some(refusal) => out.text_member("refusal", refusal),
        None => out.member("refusal", "null"),
    };
    if settings.reasoning_content
        && let Some(thinking) = joined(blocks, "thinking", "thinking")
    {
        out.text_member("reasoning_content", &thinking);
    }
}

/// Returns why the model refused, or `None` if it did not or gave no reason.
pub(crate) fn refusal<'j>(message: &'j Json<'_>) -> Option<&'j str> {
    message.get("stop_details")?.get("explanation")?.as_str()
}

/// Returns the texts of all blocks of a type, or `None` if there is no such block.
fn joined(blocks: &[Json<'_>], kind: &str, member: &str) -> Option<String> {
    let of_kind = |block: &&Json<'_>| block.get("type").and_then(Json::as_str) == Some(kind);
    let texts = blocks.iter().filter(of_kind);
    let mut texts = texts
        .filter_map(|block| block.get(member)?.as_str())
        .peekable();
    texts.peek()?;
    Some(texts.collect())
}

fn calls(blocks: &[Json<'_>], out: &mut Out) {
    let is_call = |block: &&Json<'_>| block.get("type").and_then(Json::as_str) == Some("tool_use");
    let mut calls = blocks.iter().filter(is_call).peekable();
    if calls.peek().is_none() {
        return;
    }
    out.name("tool_calls").array(|out| {
        for call in calls {
            let text = |name| call.get(name).and_then(Json::as_str).unwrap_or_default();
            let input = call
                .get("input")
                .map_or_else(|| "{}".to_owned(), Json::to_string);
            out.object(|out| {
                out.text_member("id", text("id"));
                out.text_member("type", "function");
                out.name("function").object(|out| {
                    out.text_member("name", text("name"));
                    out.text_member("arguments", &input);
                });
            });
        }
    });
}

/// Returns the reason for which an answer ended.
pub(super) fn finish_reason(stop_reason: &str) -> &'static str {
    match stop_reason {
        "max_tokens" | "model_context_window_exceeded" => "length",
        "tool_use" => "tool_calls",
        "refusal" => "content_filter",
        _ => "stop",
    }
}
