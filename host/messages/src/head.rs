//! The top level of a request.
//!
//! One scan finds every top-level member and counts messages and tools. Nothing else is parsed, and the body stays the bytes
//! received. An ambiguous body is refused: a member that appears twice under any spelling, or half a surrogate pair in a
//! text that policy reads, is [`Malformed`]. A policy member of a wrong type is left to the upstream; [`Head::unread`] names
//! it, so that a policy can be careful. [`Head::scan`] states the guarantees of an accepted body and the limits.

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

/// Maximum nesting depth of a body.
pub const MAX_DEPTH: usize = crate::json::MAX_DEPTH;
/// Maximum number of top-level members.
pub const MAX_MEMBERS: usize = crate::json::MAX_MEMBERS;
/// Maximum length of a top-level member's name, in bytes as written.
pub const MAX_NAME: usize = crate::json::MAX_NAME;

/// A request body and its top level, as received or as it will be sent ([`Head::edited`]).
#[derive(Debug, Clone)]
pub struct Head {
    body: Bytes,
    object: Object,
    facts: Facts,
    /// Edits to be made before it is sent.
    edited: Option<Arc<Edited>>,
}

/// A top-level member of the body as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawMember<'a> {
    /// The name with escapes resolved.
    pub name: &'a str,
    /// The name as written, without its quotes.
    pub raw_name: &'a [u8],
    /// The value's JSON text.
    pub value: &'a [u8],
}

// === impl Head ===

impl Head {
    /// Scans a body once.
    ///
    /// An accepted body is UTF-8, and an object whose top level is valid JSON with each name once. Policy reads `model` if it is
    /// a string, `stream` if it is a boolean, `max_tokens` if it is a whole number from 0 to 2^64 - 1, `messages` and `tools` if
    /// they are arrays, `metadata.user_id` if it is a string that appears at most once, and strings named `model` in other
    /// members, at most [`MAX_MODELS`]. Members of another type are in [`Head::unread`]; `null` counts as absent. Below the
    /// top level, brackets match, strings are terminated and contain no control characters, and nesting stays within
    /// [`MAX_DEPTH`]; other errors there are left to the upstream. Every valid JSON object within these rules and limits is
    /// accepted, and its members, counts and texts are those that `serde_json` reads.
    ///
    /// # Errors
    /// [`Malformed`] with the position and the error. The client is at fault.
    pub fn scan(body: Bytes) -> Result<Self, Malformed> {
        Self::scan_with(body, Scanner::Fastest)
    }

    /// Scans a body with the given instructions, for tests and benches that compare them.
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

    /// Returns the body as received.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Consumes the head and returns the body as received.
    pub fn into_body(self) -> Bytes {
        self.body
    }

    /// Returns the members that policy cannot read because of their type.
    pub fn unread(&self) -> &[Unread] {
        &self.facts.unread
    }

    /// Returns true if there is a member of this name that cannot be read.
    pub fn is_unread(&self, member: &str) -> bool {
        self.facts
            .unread
            .iter()
            .any(|unread| unread.member == member)
    }

    /// Returns the `model` member.
    pub fn model(&self) -> Option<Cow<'_, str>> {
        self.facts.model.as_ref().map(|text| text.of(&self.body))
    }

    /// Returns all models named in the body as it will be sent: `model`, and up to [`MAX_MODELS`] in other members, such as
    /// `fallbacks` and tools that call a model. An unknown place is found only if it uses the name `model`.
    pub fn models(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.model().into_iter().chain(self.other_models())
    }

    /// Returns the models named by members other than `model`.
    pub fn other_models(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.facts.models.iter().map(|text| text.of(&self.body))
    }

    /// Returns true if the body lets the upstream choose a further model: `fallbacks` is a string, `"default"`.
    pub fn leaves_model_open(&self) -> bool {
        self.facts.open_model
    }

    /// Returns true if `stream` is `true`.
    pub fn stream(&self) -> bool {
        self.facts.stream
    }

    /// Returns the `max_tokens` member, in whichever form the whole number is written.
    pub fn max_tokens(&self) -> Option<u64> {
        self.facts.max_tokens
    }

    /// Returns the number of elements of `messages`.
    pub fn message_count(&self) -> u32 {
        self.facts.message_count
    }

    /// Returns the number of elements of `tools`.
    pub fn tool_count(&self) -> u32 {
        self.facts.tool_count
    }

    /// Returns the names of the declared tools in order, read lazily. Tools without a name are skipped; of two `name` members
    /// the last one counts, as in common JSON parsers.
    pub fn tools(&self) -> Tools<'_> {
        Tools::of(self.member("tools").unwrap_or_default().as_bytes())
    }

    /// Returns `metadata.user_id`, unescaped.
    pub fn user_id(&self) -> Option<Cow<'_, str>> {
        self.facts.user_id.as_ref().map(|text| text.of(&self.body))
    }

    /// Returns the raw JSON text of the top-level member of this name, in whichever spelling the body uses.
    pub fn member(&self, name: &str) -> Option<&str> {
        if let Some(edited) = self.edited.as_ref().and_then(|edited| edited.member(name)) {
            return edited;
        }
        self.object
            .member(&self.body, name)
            .map(|member| member.value.text(&self.body))
    }

    /// Returns all top-level members of the body as received, in order.
    pub fn members(&self) -> impl Iterator<Item = RawMember<'_>> {
        self.object.members().iter().map(|member| RawMember {
            name: member.meant(&self.body),
            raw_name: member.name.of(&self.body),
            value: member.value.of(&self.body),
        })
    }

    /// Returns an estimate of the prompt's size in tokens: a quarter of the bytes of `messages`, `system` and `tools`, which
    /// matches English and code with some margin for the JSON around them. Base64 and similar data (text in a string that
    /// runs for a kilobyte or more without a blank, quote or escape) counts one token per 512 bytes, close to what the API
    /// charges for images and documents of that size.
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
        // The body was cut within a character.
        Err(error) if error.error_len().is_none() => Err(MalformedKind::Truncated.at(body.len())),
        Err(error) => Err(MalformedKind::InvalidUtf8.at(error.valid_up_to())),
    }
}
