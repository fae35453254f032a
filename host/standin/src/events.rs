//! The events of a streamed response, in the API's order, in one buffer.

use serde::Serialize;

use super::error::ApiError;
use super::json::to_json;
use super::reply::{Block, Reply};
use super::usage::{DeltaUsage, FullUsage};

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

#[derive(Serialize)]
struct MessageStart<'a> {
    r#type: &'static str,
    message: StartedMessage<'a>,
}

#[derive(Serialize)]
struct StartedMessage<'a> {
    model: &'a str,
    id: &'a str,
    r#type: &'static str,
    role: &'static str,
    content: [u8; 0],
    stop_reason: Option<&'a str>,
    stop_sequence: Option<&'a str>,
    usage: FullUsage<'a>,
}

#[derive(Serialize)]
struct BlockStart<'a> {
    r#type: &'static str,
    index: usize,
    content_block: StartedBlock<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum StartedBlock<'a> {
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    Text {
        text: &'a str,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: Empty,
    },
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct BlockDelta<'a> {
    r#type: &'static str,
    index: usize,
    delta: Delta<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Delta<'a> {
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: &'a str },
}

#[derive(Serialize)]
struct BlockStop {
    r#type: &'static str,
    index: usize,
}

#[derive(Serialize)]
struct MessageDelta<'a> {
    r#type: &'static str,
    delta: Stopped<'a>,
    usage: DeltaUsage,
}

#[derive(Serialize)]
struct Stopped<'a> {
    stop_reason: &'a str,
    stop_sequence: Option<&'a str>,
}

#[derive(Serialize)]
struct Bare {
    r#type: &'static str,
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
        events.frame("error", error.body(None).as_bytes(), Kind::Other);
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
        let message = StartedMessage {
            model: reply.model,
            id: &reply.id,
            r#type: "message",
            role: "assistant",
            content: [],
            stop_reason: None,
            stop_sequence: None,
            usage: reply.usage.start(),
        };
        self.push(
            "message_start",
            &MessageStart {
                r#type: "message_start",
                message,
            },
        );
    }

    fn block(&mut self, index: usize, block: &Block) {
        let content_block = match block {
            Block::Thinking { .. } => StartedBlock::Thinking {
                thinking: "",
                signature: "",
            },
            Block::Text { .. } => StartedBlock::Text { text: "" },
            Block::ToolUse { id, name, .. } => StartedBlock::ToolUse {
                id,
                name,
                input: Empty {},
            },
        };
        self.push(
            "content_block_start",
            &BlockStart {
                r#type: "content_block_start",
                index,
                content_block,
            },
        );
        // The API sends its first ping right after the start of the first block.
        if index == 0 {
            self.push("ping", &Bare { r#type: "ping" });
        }
        match block {
            Block::Thinking { pieces, signature } => {
                pieces
                    .iter()
                    .for_each(|thinking| self.delta(index, Delta::Thinking { thinking }));
                self.delta(index, Delta::Signature { signature });
            }
            Block::Text { pieces } => pieces
                .iter()
                .for_each(|text| self.delta(index, Delta::Text { text })),
            Block::ToolUse { input, .. } => self.input(index, &input.to_string()),
        }
        self.push(
            "content_block_stop",
            &BlockStop {
                r#type: "content_block_stop",
                index,
            },
        );
    }

    /// Appends a tool's input in pieces of its JSON text, the first of them empty.
    fn input(&mut self, index: usize, json: &str) {
        self.delta(index, Delta::InputJson { partial_json: "" });
        let mut rest = json;
        while !rest.is_empty() {
            let (partial_json, after) = rest.split_at(rest.ceil_char_boundary(INPUT_PIECE));
            self.delta(index, Delta::InputJson { partial_json });
            rest = after;
        }
    }

    fn delta(&mut self, index: usize, delta: Delta<'_>) {
        let record = to_json(&BlockDelta {
            r#type: "content_block_delta",
            index,
            delta,
        });
        self.frame("content_block_delta", record.as_bytes(), Kind::Delta);
    }

    fn stop(&mut self, reply: &Reply) {
        let delta = Stopped {
            stop_reason: reply.stop.reason(),
            stop_sequence: reply.stop.sequence(),
        };
        self.push(
            "message_delta",
            &MessageDelta {
                r#type: "message_delta",
                delta,
                usage: reply.usage.delta(),
            },
        );
        self.push(
            "message_stop",
            &Bare {
                r#type: "message_stop",
            },
        );
    }

    fn push(&mut self, name: &str, record: &impl Serialize) {
        self.frame(name, to_json(record).as_bytes(), Kind::Other);
    }

    fn frame(&mut self, name: &str, data: &[u8], kind: Kind) {
        for part in [&b"event: "[..], name.as_bytes(), b"\ndata: ", data, b"\n\n"] {
            self.bytes.extend_from_slice(part);
        }
        self.ends.push((self.bytes.len(), kind));
    }
}
