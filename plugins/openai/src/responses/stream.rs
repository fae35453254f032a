//! The stream of a response, event by event.
//!
//! The last event repeats the whole response, so the items that are over are kept in a note of their own, and so is the text of the
//! block that is open. An event adds to these and reads neither.

use witgate_plugin::json::{self, Json};
use witgate_plugin::notes;

use super::answer::{Facts, Status, call_item, message_item, part};
use crate::chat::answer::refusal;
use crate::errors::Error;
use crate::out::Out;
use crate::usage::Usage;

/// The note about what a stream remembers.
const STATE: &str = "response";

/// The note with the text of the open block, or the arguments of its call.
const TEXT: &str = "text";

/// The note with the items that are over.
const ITEMS: &str = "items";

/// A stream of which some events have come.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stream {
    facts: Facts,
    /// The number of the next event.
    number: u64,
    usage: Usage,
    /// The number of items that are over.
    items: usize,
    open: Open,
    status: Status,
}

/// The item that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Open {
    None,
    Text,
    /// The call of a function, by its id and name.
    Call(String, String),
}

/// Turns the data of an event into events of a response. `created` returns the time in Unix seconds.
///
/// # Errors
///
/// The data is no JSON.
pub(crate) fn event(data: &str, created: impl FnOnce() -> u64) -> Result<String, json::Malformed> {
    let event = json::parse(data)?;
    let kind = event.get("type").and_then(Json::as_str).unwrap_or_default();
    if kind == "ping" {
        return Ok(": ping\n\n".to_owned());
    }
    let mut stream = notes::get(STATE).map_or_else(Stream::default, |note| Stream::recall(&note));
    let mut text = String::new();
    match kind {
        "message_start" => stream.begin(&event, created(), &mut text),
        "content_block_start" => stream.begin_block(&event, &mut text),
        "content_block_delta" => stream.delta(&event, &mut text),
        "content_block_stop" => stream.end_block(&mut text),
        "message_delta" => stream.message_delta(&event, &mut text),
        "message_stop" => stream.end(&mut text),
        "error" => stream.error(&event, &mut text),
        _ => return Ok(text),
    }
    notes::set(STATE, &stream.note());
    Ok(text)
}

// === impl Stream ===

impl Default for Stream {
    fn default() -> Self {
        Self {
            facts: Facts::default(),
            number: 0,
            usage: Usage::default(),
            items: 0,
            open: Open::None,
            status: Status::Completed,
        }
    }
}

impl Stream {
    /// Reads what [`note`](Self::note) wrote.
    fn recall(note: &str) -> Self {
        let mut lines = note.split('\n');
        let numbers = lines.next().unwrap_or_default();
        let mut numbers = numbers.split(' ').map(|part| part.parse().unwrap_or(0_u64));
        let mut number = || numbers.next().unwrap_or(0);
        let (count, items) = (number(), number());
        let usage = Usage {
            input: number(),
            cache_read: number(),
            cache_write: number(),
            output: number(),
            thinking: number(),
        };
        let created = number();
        let status = match number() {
            1 => Status::Incomplete("max_output_tokens"),
            2 => Status::Incomplete("content_filter"),
            _ => Status::Completed,
        };
        let open = number();
        let mut line = || lines.next().unwrap_or_default().to_owned();
        Self {
            facts: Facts {
                id: line(),
                model: line(),
                created,
            },
            number: count,
            usage,
            items: usize::try_from(items).unwrap_or(0),
            open: match open {
                1 => Open::Text,
                2 => Open::Call(line(), line()),
                _ => Open::None,
            },
            status,
        }
    }

    fn note(&self) -> String {
        let Self {
            facts,
            number,
            usage,
            items,
            open,
            status,
        } = self;
        let status = match status {
            Status::Incomplete("max_output_tokens") => 1,
            Status::Incomplete(_) => 2,
            Status::InProgress | Status::Completed => 0,
        };
        let (open, id, name) = match open {
            Open::None => (0, "", ""),
            Open::Text => (1, "", ""),
            Open::Call(id, name) => (2, id.as_str(), name.as_str()),
        };
        format!(
            "{number} {items} {} {} {} {} {} {} {status} {open}\n{}\n{}\n{id}\n{name}",
            usage.input,
            usage.cache_read,
            usage.cache_write,
            usage.output,
            usage.thinking,
            facts.created,
            facts.id,
            facts.model,
        )
    }

    fn begin(&mut self, event: &Json<'_>, created: u64, text: &mut String) {
        let Some(message) = event.get("message") else {
            return;
        };
        if let Some(usage) = message.get("usage") {
            self.usage.update(usage);
        }
        let member = |name| message.get(name).and_then(Json::as_str).unwrap_or_default();
        self.facts = Facts {
            id: member("id").replace('\n', ""),
            model: member("model").replace('\n', ""),
            created,
        };
        for kind in ["response.created", "response.in_progress"] {
            self.response(kind, Status::InProgress, "[]", None, text);
        }
    }

    fn begin_block(&mut self, event: &Json<'_>, text: &mut String) {
        let Some(block) = event.get("content_block") else {
            return;
        };
        let member = |name| block.get(name).and_then(Json::as_str).unwrap_or_default();
        match member("type") {
            "text" => {
                self.open = Open::Text;
                notes::set(TEXT, "");
                let id = self.facts.item(self.items);
                self.send("response.output_item.added", text, |stream, out| {
                    stream.index(out);
                    out.name("item");
                    message_item(&id, "in_progress", None, out);
                });
                self.send("response.content_part.added", text, |stream, out| {
                    stream.place(out);
                    out.name("part");
                    part("", out);
                });
                if !member("text").is_empty() {
                    self.text_delta(member("text"), text);
                }
            }
            "tool_use" => {
                let (id, name) = (
                    member("id").replace('\n', ""),
                    member("name").replace('\n', ""),
                );
                notes::set(TEXT, "");
                self.send("response.output_item.added", text, |stream, out| {
                    stream.index(out);
                    out.name("item");
                    call_item(&id, &name, "", "in_progress", out);
                });
                self.open = Open::Call(id, name);
            }
            _ => {}
        }
    }

    fn delta(&mut self, event: &Json<'_>, text: &mut String) {
        let Some(delta) = event.get("delta") else {
            return;
        };
        let member = |name| delta.get(name).and_then(Json::as_str).unwrap_or_default();
        match (member("type"), self.open.clone()) {
            ("text_delta", Open::Text) => self.text_delta(member("text"), text),
            ("input_json_delta", Open::Call(id, _)) if !member("partial_json").is_empty() => {
                let arguments = member("partial_json");
                notes::append(TEXT, arguments);
                self.send(
                    "response.function_call_arguments.delta",
                    text,
                    |stream, out| {
                        out.text_member("item_id", &format!("fc_{id}"));
                        stream.index(out);
                        out.text_member("delta", arguments);
                    },
                );
            }
            _ => {}
        }
    }

    fn text_delta(&mut self, delta: &str, text: &mut String) {
        notes::append(TEXT, delta);
        self.send("response.output_text.delta", text, |stream, out| {
            stream.place(out);
            out.text_member("delta", delta);
            out.name("logprobs").array(|_| {});
        });
    }

    fn end_block(&mut self, text: &mut String) {
        let whole = notes::get(TEXT).unwrap_or_default();
        let mut item = Out::default();
        match std::mem::replace(&mut self.open, Open::None) {
            Open::None => return,
            Open::Text => {
                self.send("response.output_text.done", text, |stream, out| {
                    stream.place(out);
                    out.text_member("text", &whole);
                    out.name("logprobs").array(|_| {});
                });
                self.send("response.content_part.done", text, |stream, out| {
                    stream.place(out);
                    out.name("part");
                    part(&whole, out);
                });
                let id = self.facts.item(self.items);
                message_item(&id, "completed", Some(&whole), &mut item);
            }
            Open::Call(id, name) => {
                let arguments = if whole.is_empty() { "{}" } else { &whole };
                self.send(
                    "response.function_call_arguments.done",
                    text,
                    |stream, out| {
                        out.text_member("item_id", &format!("fc_{id}"));
                        stream.index(out);
                        out.text_member("name", &name);
                        out.text_member("arguments", arguments);
                    },
                );
                call_item(&id, &name, arguments, "completed", &mut item);
            }
        }
        self.done(&item.finish(), text);
    }

    /// Ends an item.
    fn done(&mut self, item: &str, text: &mut String) {
        self.send("response.output_item.done", text, |stream, out| {
            stream.index(out);
            out.member("item", item);
        });
        if self.items > 0 {
            notes::append(ITEMS, ",");
        }
        notes::append(ITEMS, item);
        self.items += 1;
    }

    fn message_delta(&mut self, event: &Json<'_>, text: &mut String) {
        if let Some(usage) = event.get("usage") {
            self.usage.update(usage);
        }
        let Some(delta) = event.get("delta") else {
            return;
        };
        if let Some(stop_reason) = delta.get("stop_reason").and_then(Json::as_str) {
            self.status = Status::after(stop_reason);
        }
        if let Some(refusal) = refusal(delta) {
            let mut item = Out::default();
            let id = self.facts.item(self.items);
            item.object(|out| {
                out.text_member("id", &id);
                out.text_member("type", "message");
                out.text_member("status", "completed");
                out.text_member("role", "assistant");
                out.name("content").array(|out| {
                    out.object(|out| {
                        out.text_member("type", "refusal");
                        out.text_member("refusal", refusal);
                    });
                });
            });
            self.done(&item.finish(), text);
        }
    }

    fn end(&mut self, text: &mut String) {
        let kind = match self.status {
            Status::Incomplete(_) => "response.incomplete",
            Status::InProgress | Status::Completed => "response.completed",
        };
        let items = format!("[{}]", notes::get(ITEMS).unwrap_or_default());
        self.response(kind, self.status, &items, Some(self.usage), text);
    }

    fn error(&mut self, event: &Json<'_>, text: &mut String) {
        let error = Error::of(event);
        self.send("error", text, |_, out| error.write_members(out));
    }

    /// Sends an event with the whole response.
    fn response(
        &mut self,
        kind: &str,
        status: Status,
        items: &str,
        usage: Option<Usage>,
        text: &mut String,
    ) {
        self.send(kind, text, |stream, out| {
            out.name("response");
            stream.facts.write(status, items, usage, out);
        });
    }

    /// Writes the index of the open item.
    fn index(&self, out: &mut Out) {
        out.member("output_index", self.items);
    }

    /// Writes the place of the open text.
    fn place(&self, out: &mut Out) {
        out.text_member("item_id", &self.facts.item(self.items));
        self.index(out);
        out.member("content_index", 0);
    }

    /// Sends an event with its number.
    fn send(&mut self, kind: &str, text: &mut String, members: impl FnOnce(&Self, &mut Out)) {
        let mut out = Out::default();
        out.object(|out| {
            out.text_member("type", kind);
            out.member("sequence_number", self.number);
            members(self, out);
        });
        self.number += 1;
        text.push_str("event: ");
        text.push_str(kind);
        text.push_str("\ndata: ");
        text.push_str(&out.finish());
        text.push_str("\n\n");
    }
}
