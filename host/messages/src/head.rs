//! What the top level of a request says.
//!
//! One scan finds every member of the top level and counts messages and tools; nothing else is parsed and the body
//! stays the bytes it came as. A body is refused rather than read in one of two ways: a member that comes twice under
//! any spelling, or half a surrogate pair in a text that policy reads, is [`Malformed`]. A policy member of a type that it
//! cannot have is the upstream's to judge; [`Head::unread`] names it, so that a policy can be careful. For what an accepted
//! body promises, and for the limits, see [`Head::scan`].

mod edited;
mod facts;
mod models;
mod tools;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::json::{Malformed, MalformedKind, Member, Object, Scanner};
use edited::Edited;
pub(crate) use facts::Facts;
pub use facts::Unread;
pub use models::MAX_MODELS;
pub use tools::Tools;

/// Deepest nesting that a body may have.
pub const MAX_DEPTH: usize = crate::json::MAX_DEPTH;
/// Most top-level members that a body may have.
pub const MAX_MEMBERS: usize = crate::json::MAX_MEMBERS;
/// Longest name of a top-level member, in bytes as written.
pub const MAX_NAME: usize = crate::json::MAX_NAME;

/// A request body and what its top level says: as it came, or as it will be sent ([`Head::edited`]).
#[derive(Debug, Clone)]
pub struct Head {
    body: Bytes,
    object: Object,
    facts: Facts,
    /// What will be changed before it is sent.
    edited: Option<Arc<Edited>>,
}

/// One top-level member as it stands in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawMember<'a> {
    /// The name as it is meant, escapes resolved.
    pub name: &'a str,
    /// The name as it is written, without its quotes.
    pub raw_name: &'a [u8],
    /// The value's JSON text.
    pub value: &'a [u8],
}

// === impl Head ===

impl Head {
    /// Scans a body once.
    ///
    /// What is accepted is UTF-8, and an object whose top level is valid JSON with each name once. Policy reads `model`
    /// where it is a string, `stream` where it is a boolean, `max_tokens` where it is a whole number from 0 to 2^64 - 1,
    /// `messages` and `tools` where they are arrays, and `metadata.user_id` where it is a string, at most once; and the
    /// texts that are called `model` in other members, at most [`MAX_MODELS`]. What is of another type is in [`Head::unread`]; `null` counts as absent. Below the top level brackets match, strings end
    /// and hold no control characters, and nesting stays within [`MAX_DEPTH`]; other mistakes down there are the
    /// upstream's to refuse. Every valid JSON object that keeps these rules and limits is accepted, and members, counts
    /// and texts are what `serde_json` reads in it.
    ///
    /// # Errors
    /// [`Malformed`] names the byte and what is wrong there: the client's fault.
    pub fn scan(body: Bytes) -> Result<Self, Malformed> {
        Self::scan_with(body, Scanner::Fastest)
    }

    /// Scans with the instructions of choice; for tests and benches that compare them.
    ///
    /// # Errors
    /// As [`Head::scan`].
    pub fn scan_with(body: Bytes, scanner: Scanner) -> Result<Self, Malformed> {
        check_utf8(&body)?;
        let object = Object::document(&body, scanner)?;
        let facts = Facts::read(&body, &object)?;
        Ok(Self {
            body,
            object,
            facts,
            edited: None,
        })
    }

    /// The body as it came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body as it came, and nothing else kept.
    pub fn into_body(self) -> Bytes {
        self.body
    }

    /// Members that policy would read and cannot, because they are of another type.
    pub fn unread(&self) -> &[Unread] {
        &self.facts.unread
    }

    /// Whether a member of this name is there and cannot be read.
    pub fn is_unread(&self, member: &str) -> bool {
        self.facts
            .unread
            .iter()
            .any(|unread| unread.member == member)
    }

    /// The `model` member.
    pub fn model(&self) -> Option<Cow<'_, str>> {
        self.facts.model.as_ref().map(|text| text.of(&self.body))
    }

    /// All models that the body names as it will be sent: `model`, and what other members name, such as `fallbacks` and
    /// tools that ask a model; at most [`MAX_MODELS`] of those. A place that names models and is unknown here is found by
    /// its name `model`, and in no other way.
    pub fn models(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.model().into_iter().chain(self.other_models())
    }

    /// The models that other members than `model` name.
    pub fn other_models(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.facts.models.iter().map(|text| text.of(&self.body))
    }

    /// Whether the body leaves it to the upstream to choose a further model: `fallbacks` is a text, `"default"`.
    pub fn leaves_model_open(&self) -> bool {
        self.facts.open_model
    }

    /// Whether `stream` is `true`.
    pub fn stream(&self) -> bool {
        self.facts.stream
    }

    /// The `max_tokens` member, however the whole number is written.
    pub fn max_tokens(&self) -> Option<u64> {
        self.facts.max_tokens
    }

    /// Number of elements of `messages`.
    pub fn message_count(&self) -> u32 {
        self.facts.message_count
    }

    /// Number of elements of `tools`.
    pub fn tool_count(&self) -> u32 {
        self.facts.tool_count
    }

    /// Names of the declared tools, in order, read as they are asked for. Tools without a name are passed over; of a
    /// name given twice the last one counts, as with the JSON readers in use.
    pub fn tools(&self) -> Tools<'_> {
        Tools::of(self.member("tools").unwrap_or_default().as_bytes())
    }

    /// `metadata.user_id`, unescaped.
    pub fn user_id(&self) -> Option<Cow<'_, str>> {
        self.facts.user_id.as_ref().map(|text| text.of(&self.body))
    }

    /// The raw JSON text of the top-level member of this name, however the body spells it.
    pub fn member(&self, name: &str) -> Option<&str> {
        if let Some(edited) = self.edited.as_ref().and_then(|edited| edited.member(name)) {
            return edited;
        }
        self.object
            .member(&self.body, name)
            .map(|member| member.value.text(&self.body))
    }

    /// All top-level members of the body as it came, in order.
    pub fn members(&self) -> impl Iterator<Item = RawMember<'_>> {
        self.object.members().iter().map(|member| RawMember {
            name: member.meant(&self.body),
            raw_name: member.name.of(&self.body),
            value: member.value.of(&self.body),
        })
    }

    /// An estimate of the prompt's size in tokens: a quarter of the bytes of `messages`, `system` and `tools`, which
    /// is what English and code come to with some margin for the JSON around them. Base64 and the like (text within
    /// one string that runs for a kilobyte and more without a blank, quote or escape) counts a token per 512 bytes,
    /// near what the API takes for pictures and documents of that size.
    pub fn prompt_tokens(&self) -> u64 {
        self.facts.prompt_tokens
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.object
            .members()
            .iter()
            .position(|member| member.is_named(&self.body, name))
    }

    pub(crate) fn layout(&self) -> (&[Member], usize) {
        (self.object.members(), self.object.closing_brace())
    }
}

fn check_utf8(body: &[u8]) -> Result<(), Malformed> {
    if simdutf8::basic::from_utf8(body).is_ok() {
        return Ok(());
    }
    match std::str::from_utf8(body) {
        Ok(_) => Ok(()),
        // The body ends within a character: it was cut.
        Err(error) if error.error_len().is_none() => Err(MalformedKind::Truncated.at(body.len())),
        Err(error) => Err(MalformedKind::InvalidUtf8.at(error.valid_up_to())),
    }
}
