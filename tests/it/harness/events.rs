//! Streams of events as the API sends them, and events as they are read back.

use serde_json::{Value, json};

use super::wire::find;

/// A server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub data: String,
    /// The frame as it came, its empty line included.
    pub raw: Vec<u8>,
}

/// The frames of one answer, made step by step: `Events::begin(model).text(&["Hello", " you"]).end("end_turn")`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    frames: Vec<Vec<u8>>,
    blocks: usize,
    output_tokens: u64,
    usage: Value,
}

/// Takes the first whole frame off the bytes. Frames end at an empty line, `\n\n` or `\r\n\r\n`.
pub(super) fn next_event(unread: &mut Vec<u8>) -> Option<Event> {
    let ends = [
        find(unread, b"\n\n").map(|end| end + 2),
        find(unread, b"\r\n\r\n").map(|end| end + 4),
    ];
    let end = ends.into_iter().flatten().min()?;
    let raw: Vec<u8> = unread.drain(..end).collect();
    let text = String::from_utf8_lossy(&raw);
    let field = |wanted: &str| {
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix(wanted)?.strip_prefix(':'));
        lines
            .map(|value| value.strip_prefix(' ').unwrap_or(value))
            .collect::<Vec<_>>()
            .join("\n")
    };
    Some(Event {
        name: field("event"),
        data: field("data"),
        raw: raw.clone(),
    })
}

// === impl Event ===

impl Event {
    /// The data as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.data))
    }
}

// === impl Events ===

impl Events {
    /// `message_start`, with 25 input tokens and the placeholder of one output token.
    pub fn begin(model: &str) -> Self {
        Self::begin_with_usage(model, json!({"input_tokens": 25}))
    }

    /// `message_start` with these input counts. They come again, cumulative, in `message_delta`.
    pub fn begin_with_usage(model: &str, usage: Value) -> Self {
        let mut started = usage.clone();
        started["output_tokens"] = json!(1);
        let message = json!({
            "id": "msg_01Harness", "type": "message", "role": "assistant", "model": model, "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": started,
        });
        let events = Self {
            frames: Vec::new(),
            blocks: 0,
            output_tokens: 0,
            usage,
        };
        events.event(
            "message_start",
            &json!({"type": "message_start", "message": message}),
        )
    }

    /// A text block, one delta for each piece, each counted as one output token.
    pub fn text(self, pieces: &[&str]) -> Self {
        let deltas = pieces
            .iter()
            .map(|text| json!({"type": "text_delta", "text": text}))
            .collect();
        self.block(&json!({"type": "text", "text": ""}), deltas)
    }

    /// A thinking block with its signature.
    pub fn thinking(self, pieces: &[&str]) -> Self {
        let thoughts = pieces
            .iter()
            .map(|thinking| json!({"type": "thinking_delta", "thinking": thinking}));
        let deltas = thoughts
            .chain([json!({"type": "signature_delta", "signature": "EqQBharness"})])
            .collect();
        self.block(
            &json!({"type": "thinking", "thinking": "", "signature": ""}),
            deltas,
        )
    }

    /// A `tool_use` block whose input comes in these pieces of JSON text.
    pub fn tool_use(self, name: &str, input: &[&str]) -> Self {
        let deltas = input
            .iter()
            .map(|piece| json!({"type": "input_json_delta", "partial_json": piece}))
            .collect();
        let id = format!("toolu_01Harness{}", self.blocks);
        self.block(
            &json!({"type": "tool_use", "id": id, "name": name, "input": {}}),
            deltas,
        )
    }

    pub fn ping(self) -> Self {
        self.event("ping", &json!({"type": "ping"}))
    }

    /// An `error` event: how a stream fails after its head.
    pub fn error(self, kind: &str, message: &str) -> Self {
        self.event(
            "error",
            &json!({"type": "error", "error": {"type": kind, "message": message}}),
        )
    }

    /// `message_delta` with the cumulative usage, and `message_stop`.
    pub fn end(self, stop_reason: &str) -> Self {
        let mut usage = self.usage.clone();
        usage["output_tokens"] = json!(self.output_tokens);
        let delta = json!({"stop_reason": stop_reason, "stop_sequence": null});
        self.event(
            "message_delta",
            &json!({"type": "message_delta", "delta": delta, "usage": usage}),
        )
        .event("message_stop", &json!({"type": "message_stop"}))
    }

    /// Any event.
    pub fn event(self, name: &str, data: &Value) -> Self {
        self.frame(&format!("event: {name}\ndata: {data}\n\n"))
    }

    /// Any bytes as one frame: comments, odd line ends, events nobody knows.
    pub fn frame(mut self, frame: &str) -> Self {
        self.frames.push(frame.as_bytes().to_vec());
        self
    }

    /// Returns the number of frames.
    pub fn count(&self) -> usize {
        self.frames.len()
    }

    pub fn frames(&self) -> &[Vec<u8>] {
        &self.frames
    }

    /// The whole stream.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.frames.concat()
    }

    fn block(mut self, start: &Value, deltas: Vec<Value>) -> Self {
        let index = self.blocks;
        self.blocks += 1;
        self.output_tokens += u64::try_from(deltas.len()).expect("a stream of a test is short");
        let start = json!({"type": "content_block_start", "index": index, "content_block": start});
        let mut events = self.event("content_block_start", &start);
        for delta in deltas {
            let delta = json!({"type": "content_block_delta", "index": index, "delta": delta});
            events = events.event("content_block_delta", &delta);
        }
        events.event(
            "content_block_stop",
            &json!({"type": "content_block_stop", "index": index}),
        )
    }
}
