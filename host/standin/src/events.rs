//! The events of a streamed response, in the API's order, in one buffer.

use serde_json::{Value, json};

use super::error::ApiError;
use super::reply::{Block, Reply};

/// Number of bytes of a tool's input in each delta.
const INPUT_PIECE: usize = 24;

/// The events of a response, each a complete SSE frame.
#[derive(Debug, Default)]
pub(super) struct Events {
    bytes: Vec<u8>,
    ends: Vec<(usize, Kind)>,
}

/// The kind of an event, on which the pace depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Delta,
    Other,
}

// === impl Events ===

impl Events {
    pub(super) fn of(reply: &Reply) -> Self {
        let mut events = Self::default();
        events.start(reply);
        for (index, block) in reply.blocks.iter().enumerate() {
            events.block(index, block);
        }
        events.stop(reply);
        events
    }

    /// Returns an `error` event, as the API sends it in a stream that has started.
    pub(super) fn error(error: &ApiError) -> Self {
        let mut events = Self::default();
        events.push(&error.body(None));
        events
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Iterates over the frames in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Kind)> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(end, _)| *end));
        starts
            .zip(&self.ends)
            .map(|(start, (end, kind))| (self.bytes.get(start..*end).unwrap_or_default(), *kind))
    }

    fn start(&mut self, reply: &Reply) {
        let message = json!({
            "model": reply.model, "id": reply.id, "type": "message", "role": "assistant", "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": reply.usage.start(),
        });
        self.push(&json!({"type": "message_start", "message": message}));
    }

    fn block(&mut self, index: usize, block: &Block) {
        let content_block = match block {
            Block::Thinking { .. } => json!({"type": "thinking", "thinking": "", "signature": ""}),
            Block::Text { .. } => json!({"type": "text", "text": ""}),
            Block::ToolUse { id, name, .. } => {
                json!({"type": "tool_use", "id": id, "name": name, "input": {}})
            }
        };
        self.push(&json!({
            "type": "content_block_start", "index": index, "content_block": content_block,
        }));
        // The API sends its first ping right after the start of the first block.
        if index == 0 {
            self.push(&json!({"type": "ping"}));
        }
        match block {
            Block::Thinking { pieces, signature } => {
                for thinking in pieces {
                    self.delta(
                        index,
                        &json!({"type": "thinking_delta", "thinking": thinking}),
                    );
                }
                self.delta(
                    index,
                    &json!({"type": "signature_delta", "signature": signature}),
                );
            }
            Block::Text { pieces } => {
                for text in pieces {
                    self.delta(index, &json!({"type": "text_delta", "text": text}));
                }
            }
            Block::ToolUse { input, .. } => self.input(index, &input.to_string()),
        }
        self.push(&json!({"type": "content_block_stop", "index": index}));
    }

    /// Appends a tool's input in pieces of its JSON text, the first of them empty.
    fn input(&mut self, index: usize, json: &str) {
        let mut piece = "";
        let mut rest = json;
        loop {
            self.delta(
                index,
                &json!({"type": "input_json_delta", "partial_json": piece}),
            );
            if rest.is_empty() {
                return;
            }
            (piece, rest) = rest.split_at(rest.ceil_char_boundary(INPUT_PIECE));
        }
    }

    fn delta(&mut self, index: usize, delta: &Value) {
        let data = json!({"type": "content_block_delta", "index": index, "delta": delta});
        self.frame("content_block_delta", &data.to_string(), Kind::Delta);
    }

    fn stop(&mut self, reply: &Reply) {
        let stop = json!({
            "stop_reason": reply.stop.reason(), "stop_sequence": reply.stop.sequence(),
        });
        self.push(&json!({"type": "message_delta", "delta": stop, "usage": reply.usage.delta()}));
        self.push(&json!({"type": "message_stop"}));
    }

    /// Appends an event that is named like the type of its data.
    fn push(&mut self, data: &Value) {
        let name = data.get("type").and_then(Value::as_str);
        self.frame(name.unwrap_or_default(), &data.to_string(), Kind::Other);
    }

    fn frame(&mut self, name: &str, data: &str, kind: Kind) {
        let frame = format!("event: {name}\ndata: {data}\n\n");
        self.bytes.extend_from_slice(frame.as_bytes());
        self.ends.push((self.bytes.len(), kind));
    }
}
