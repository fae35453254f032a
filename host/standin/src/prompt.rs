//! An estimate of a prompt's tokens, and the points where its prefix may be cached.
//!
//! The estimate is one token for four bytes of text plus one for each value, which looks realistic and needs no tokenizer.
//! The same body always has the same estimate, on the Messages endpoint and on `count_tokens`.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

const BYTES_PER_TOKEN: u64 = 4;
/// Tokens of an image or a document, whose size in bytes says nothing about its tokens.
const MEDIA_TOKENS: u64 = 1_500;

/// The estimate of a prompt.
#[derive(Debug)]
pub(super) struct Prompt {
    pub(super) tokens: u64,
    /// Ends of its blocks in order; empty if nothing is marked for the cache.
    pub(super) boundaries: Vec<Boundary>,
}

/// The end of a block, up to which everything is a prefix.
#[derive(Debug)]
pub(super) struct Boundary {
    pub(super) fingerprint: u64,
    pub(super) tokens: u64,
    pub(super) mark: Option<Lifetime>,
}

/// The lifetime of a written prefix (`cache_control.ttl`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lifetime {
    FiveMinutes,
    OneHour,
}

/// A walk over the blocks in the order of the cache: tools, system, messages.
struct Scale {
    hasher: Option<DefaultHasher>,
    weight: u64,
    boundaries: Vec<Boundary>,
}

// === impl Prompt ===

impl Prompt {
    /// Estimates a request body. `text` is its raw text, which shows cheaply whether anything is marked.
    pub(super) fn weigh(body: &Value, text: &str) -> Self {
        let marked = text.contains("cache_control");
        let mut scale = Scale {
            hasher: marked.then(DefaultHasher::new),
            weight: 0,
            boundaries: Vec::new(),
        };
        scale.seed(body.get("model"));
        scale.blocks(body.get("tools"));
        scale.blocks(body.get("system"));
        for message in body
            .get("messages")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            scale.seed(message.get("role"));
            scale.blocks(message.get("content"));
        }
        // A top-level mark stands for one on the last block.
        if let (Some(mark), Some(last)) = (mark(body), scale.boundaries.last_mut()) {
            last.mark.get_or_insert(mark);
        }
        Self {
            tokens: tokens(scale.weight).max(1),
            boundaries: scale.boundaries,
        }
    }
}

// === impl Scale ===

impl Scale {
    /// Adds a value that distinguishes prefixes without being a block.
    fn seed(&mut self, value: Option<&Value>) {
        if let (Some(hasher), Some(value)) = (&mut self.hasher, value) {
            value.hash(hasher);
        }
    }

    fn blocks(&mut self, value: Option<&Value>) {
        match value {
            Some(Value::Array(blocks)) => blocks.iter().for_each(|block| self.block(block)),
            Some(block) => self.block(block),
            None => {}
        }
    }

    fn block(&mut self, block: &Value) {
        self.weight += BYTES_PER_TOKEN;
        self.value(block);
        if let Some(hasher) = &self.hasher {
            let (fingerprint, tokens) = (hasher.finish(), tokens(self.weight));
            self.boundaries.push(Boundary {
                fingerprint,
                tokens,
                mark: mark(block),
            });
        }
    }

    /// Adds a value without its marks: a mark that moves to a later block must still find the earlier prefix.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Object(members) if members.get("type").is_some_and(|kind| kind == "base64") => {
                self.seed(Some(value));
                self.weight += MEDIA_TOKENS * BYTES_PER_TOKEN;
            }
            Value::Object(members) => {
                for (name, value) in members.iter().filter(|(name, _)| *name != "cache_control") {
                    if let Some(hasher) = &mut self.hasher {
                        name.hash(hasher);
                    }
                    self.value(value);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.value(value)),
            Value::String(text) => {
                self.seed(Some(value));
                self.weight += u64::try_from(text.len()).unwrap_or(u64::MAX);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                self.seed(Some(value));
                self.weight += BYTES_PER_TOKEN;
            }
        }
    }
}

const fn tokens(weight: u64) -> u64 {
    weight.div_ceil(BYTES_PER_TOKEN)
}

fn mark(block: &Value) -> Option<Lifetime> {
    let control = block
        .get("cache_control")
        .filter(|control| control.is_object())?;
    let hour = control.get("ttl").is_some_and(|ttl| ttl == "1h");
    Some(if hour {
        Lifetime::OneHour
    } else {
        Lifetime::FiveMinutes
    })
}
