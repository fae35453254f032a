//! Composes a response: its blocks, its stop reason and its usage.

use std::time::Instant;

use serde_json::{Value, json};

use super::ask::{Ask, Thinking};
use super::cache::PromptCache;
use super::ids::Ids;
use super::scenario::Scenario;
use super::schema::{Form, Members};
use super::tool;
use super::usage::Usage;

/// Number of characters that are quoted from a text.
const QUOTED: usize = 160;
const BYTES_PER_TOKEN: usize = 4;

/// A complete response, before it is delivered in one piece or as a stream.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) id: String,
    pub(super) model: &'static str,
    pub(super) blocks: Vec<Block>,
    pub(super) stop: Stop,
    pub(super) usage: Usage,
}

/// A content block. Texts are split into the deltas of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    Thinking {
        pieces: Vec<String>,
        signature: String,
    },
    Text {
        pieces: Vec<String>,
    },
    ToolUse {
        id: String,
        name: String,
        input: Value,
    },
}

/// The stop reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    EndTurn,
    MaxTokens,
    Sequence(String),
    ToolUse,
}

/// A rule for the content of a response. Returns `None` if it does not apply to the request.
type Rule = fn(&Ask, &Scenario, &Ids) -> Option<Block>;

/// The rules; the first one that applies wins.
const RULES: &[Rule] = &[counted, structured, after_tool, with_tool, echo];

// === impl Reply ===

impl Reply {
    pub(super) fn compose(ask: &Ask, scenario: &Scenario, ids: &Ids, cache: &PromptCache) -> Self {
        let mut blocks: Vec<Block> = thinking(ask, ids).into_iter().collect();
        blocks.extend(RULES.iter().find_map(|rule| rule(ask, scenario, ids)));
        let mut stop = match blocks.last() {
            Some(Block::ToolUse { .. }) => Stop::ToolUse,
            _ => Stop::EndTurn,
        };
        // The scenario's number of deltas takes precedence over stop sequences and limits.
        if scenario.deltas.is_none() {
            stop = stop_at_sequence(&mut blocks, ask).unwrap_or(stop);
            stop = stop_at_limit(&mut blocks, ask.max_tokens).unwrap_or(stop);
        }
        let thinking = blocks
            .iter()
            .filter(|block| matches!(block, Block::Thinking { .. }))
            .map(Block::tokens)
            .sum();
        let usage = Usage {
            input: cache.charge(&ask.prompt, Instant::now()),
            output: blocks.iter().map(Block::tokens).sum(),
            thinking,
            geo: ask.text("inference_geo").map(str::to_owned),
            speed: ask.text("speed").map(str::to_owned),
        };
        Self {
            id: ids.message(),
            model: ask.model.id,
            blocks,
            stop,
            usage,
        }
    }

    /// Returns the body of a response without a stream.
    pub(super) fn message(&self) -> Value {
        json!({
            "model": self.model, "id": self.id, "type": "message", "role": "assistant",
            "content": self.blocks.iter().map(Block::content).collect::<Vec<_>>(),
            "stop_reason": self.stop.reason(), "stop_sequence": self.stop.sequence(),
            "usage": self.usage.full(),
        })
    }
}

fn thinking(ask: &Ask, ids: &Ids) -> Option<Block> {
    let pieces = match ask.thinking {
        Thinking::Off => return None,
        Thinking::Omitted => Vec::new(),
        Thinking::Shown => pieces(
            "The stand-in has been asked to think, so it says that it thinks before it answers.",
        ),
    };
    Some(Block::Thinking {
        pieces,
        signature: ids.signature(),
    })
}

/// Applies to `x-standin: events=N`.
fn counted(_: &Ask, scenario: &Scenario, _: &Ids) -> Option<Block> {
    let deltas = scenario.deltas?;
    Some(Block::Text {
        pieces: (1..=deltas)
            .map(|number| format!("delta {number} "))
            .collect(),
    })
}

/// Applies to `output_config.format`. Texts in the schema get words of the request, for example the title of a conversation.
fn structured(ask: &Ask, _: &Scenario, _: &Ids) -> Option<Block> {
    let schema = ask.schema()?;
    let words: Vec<&str> = ask.last_text().split_whitespace().take(6).collect();
    let filled = Form::new(schema, &words.join(" ")).fill(Members::All);
    Some(Block::text(&filled.to_string()))
}

fn after_tool(ask: &Ask, _: &Scenario, _: &Ids) -> Option<Block> {
    let result = ask.tool_result()?;
    let text = format!("The tool answered: {}", quote(&result));
    Some(Block::text(&text))
}

fn with_tool(ask: &Ask, _: &Scenario, ids: &Ids) -> Option<Block> {
    let tool = tool::wanted(ask)?;
    let schema = tool.get("input_schema").unwrap_or(&Value::Null);
    let input = Form::new(schema, &quote(ask.last_text())).fill(Members::Required);
    // A tool without a schema takes an empty object.
    let input = if input.is_object() { input } else { json!({}) };
    Some(Block::ToolUse {
        id: ids.tool_use(),
        name: tool::name(tool)?.to_owned(),
        input,
    })
}

fn echo(ask: &Ask, _: &Scenario, _: &Ids) -> Option<Block> {
    let text = format!(
        "This is the stand-in for {}. You asked: \"{}\" The request came with {} messages, {} system blocks, {} tools and \
         about {} input tokens. No model was called.",
        ask.model.name,
        quote(ask.last_text()),
        ask.count("messages"),
        ask.count("system"),
        ask.count("tools"),
        ask.prompt.tokens,
    );
    Some(Block::text(&text))
}

/// Cuts the text before the first stop sequence in it. Returns `None` if there is none.
fn stop_at_sequence(blocks: &mut [Block], ask: &Ask) -> Option<Stop> {
    let Some(Block::Text { pieces: kept }) = blocks.last_mut() else {
        return None;
    };
    let text = kept.concat();
    let found = ask
        .stop_sequences()
        .filter_map(|sequence| Some((text.find(sequence)?, sequence)));
    let (place, sequence) = found.min_by_key(|(place, _)| *place)?;
    *kept = pieces(text.get(..place)?);
    Some(Stop::Sequence(sequence.to_owned()))
}

/// Cuts the blocks to `limit` tokens, and a tool's input that does not fit completely. Returns `None` if all blocks fit.
fn stop_at_limit(blocks: &mut Vec<Block>, limit: u64) -> Option<Stop> {
    let mut left = limit;
    let mut cut = None;
    for (index, block) in blocks.iter_mut().enumerate() {
        let tokens = block.tokens();
        if tokens <= left {
            left -= tokens;
            continue;
        }
        block.shorten(left);
        let is_left = block.tokens() > 0;
        cut = Some(index + usize::from(is_left));
        break;
    }
    blocks.truncate(cut?);
    Some(Stop::MaxTokens)
}

/// Splits a text into deltas of a few words.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for word in text.split_inclusive(' ') {
        piece.push_str(word);
        if piece.len() >= 16 {
            pieces.push(std::mem::take(&mut piece));
        }
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

fn quote(text: &str) -> String {
    let mut quoted: String = text.chars().take(QUOTED).collect();
    if quoted.len() < text.len() {
        quoted.push('…');
    }
    quoted
}

// === impl Block ===

impl Block {
    fn text(text: &str) -> Self {
        let pieces = pieces(text);
        Self::Text { pieces }
    }

    fn content(&self) -> Value {
        match self {
            Self::Thinking { pieces, signature } => {
                json!({"type": "thinking", "thinking": pieces.concat(), "signature": signature})
            }
            Self::Text { pieces } => json!({"type": "text", "text": pieces.concat()}),
            Self::ToolUse { id, name, input } => {
                json!({"type": "tool_use", "id": id, "name": name, "input": input})
            }
        }
    }

    /// Estimates the tokens as for prompts: one for four bytes. Thinking that is not shown counts as well.
    fn tokens(&self) -> u64 {
        let bytes = match self {
            Self::Thinking { pieces, .. } if pieces.is_empty() => 80,
            Self::Thinking { pieces, .. } | Self::Text { pieces } => {
                pieces.iter().map(String::len).sum()
            }
            Self::ToolUse { name, input, .. } => name.len() + input.to_string().len(),
        };
        u64::try_from(bytes.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX)
    }

    /// Cuts the block to a number of tokens.
    fn shorten(&mut self, tokens: u64) {
        let bytes = usize::try_from(tokens)
            .unwrap_or(usize::MAX)
            .saturating_mul(BYTES_PER_TOKEN);
        match self {
            // Cut thinking has no signature, and the API refuses such a block when a client sends it back.
            Self::Thinking { .. } | Self::ToolUse { .. } => {
                *self = Self::Text { pieces: Vec::new() }
            }
            Self::Text { pieces: kept } => {
                let mut text = kept.concat();
                text.truncate(text.floor_char_boundary(bytes));
                *kept = pieces(&text);
            }
        }
    }
}

// === impl Stop ===

impl Stop {
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::EndTurn => "end_turn",
            Self::MaxTokens => "max_tokens",
            Self::Sequence(_) => "stop_sequence",
            Self::ToolUse => "tool_use",
        }
    }

    pub(super) fn sequence(&self) -> Option<&str> {
        match self {
            Self::Sequence(sequence) => Some(sequence),
            Self::EndTurn | Self::MaxTokens | Self::ToolUse => None,
        }
    }
}
