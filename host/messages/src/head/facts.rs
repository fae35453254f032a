//! What policy reads in the top level, each member checked for its type.

use std::borrow::Cow;

use crate::json::{Kind, Malformed, MalformedKind, Member, Object, Scanner, Span, unescape};

/// Bytes of prompt text that make a token.
const TEXT_BYTES_PER_TOKEN: usize = 4;
/// Bytes of base64 that make a token.
const SOLID_BYTES_PER_TOKEN: usize = 512;

/// What policy reads.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Within its quotes; it unescapes.
    pub(super) model: Option<Span>,
    /// Within its quotes; it unescapes.
    pub(super) user_id: Option<Span>,
    pub(super) stream: bool,
    pub(super) max_tokens: Option<u64>,
    pub(super) message_count: u32,
    pub(super) tool_count: u32,
    pub(super) prompt_tokens: u64,
}

// === impl Facts ===

impl Facts {
    pub(super) fn read(body: &[u8], object: &Object) -> Result<Self, Malformed> {
        let mut facts = Self::default();
        let (mut text, mut solid) = (0, 0);
        for member in object.members() {
            match member.meant(body) {
                "model" => facts.model = string(body, member, "model")?,
                "stream" => facts.stream = boolean(member)?,
                "max_tokens" => facts.max_tokens = whole_number(body, member)?,
                "metadata" => facts.user_id = user_id(body, member)?,
                name @ ("messages" | "tools" | "system") => {
                    text += member.value.len() - member.solid;
                    solid += member.solid;
                    match name {
                        "messages" => facts.message_count = count(member, "messages")?,
                        "tools" => facts.tool_count = count(member, "tools")?,
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        let tokens = text.div_ceil(TEXT_BYTES_PER_TOKEN) + solid.div_ceil(SOLID_BYTES_PER_TOKEN);
        facts.prompt_tokens = u64::try_from(tokens).unwrap_or(u64::MAX);
        Ok(facts)
    }
}

/// The text of a string that was checked when the head was read.
pub(super) fn text(body: &[u8], span: Span) -> Cow<'_, str> {
    unescape(span.text(body)).unwrap_or_default()
}

fn string(body: &[u8], member: &Member, name: &'static str) -> Result<Option<Span>, Malformed> {
    match member.kind {
        Kind::String => {
            let span = Span {
                start: member.value.start + 1,
                end: member.value.end - 1,
            };
            match unescape(span.text(body)) {
                Ok(_) => Ok(Some(span)),
                Err(place) => Err(MalformedKind::LoneSurrogate.at(span.start + place)),
            }
        }
        Kind::Null => Ok(None),
        _ => Err(wrong(member, name, "a string")),
    }
}

fn boolean(member: &Member) -> Result<bool, Malformed> {
    match member.kind {
        Kind::True => Ok(true),
        Kind::False | Kind::Null => Ok(false),
        _ => Err(wrong(member, "stream", "a boolean")),
    }
}

fn whole_number(body: &[u8], member: &Member) -> Result<Option<u64>, Malformed> {
    let digits = member.value.text(body);
    match (member.kind, digits.parse()) {
        (Kind::Null, _) => Ok(None),
        (Kind::Number, Ok(number)) => Ok(Some(number)),
        _ => Err(wrong(member, "max_tokens", "a whole number from 0 on")),
    }
}

fn count(member: &Member, name: &'static str) -> Result<u32, Malformed> {
    match member.kind {
        Kind::Array(elements) => Ok(u32::try_from(elements).unwrap_or(u32::MAX)),
        Kind::Null => Ok(0),
        _ => Err(wrong(member, name, "an array")),
    }
}

fn user_id(body: &[u8], member: &Member) -> Result<Option<Span>, Malformed> {
    match member.kind {
        Kind::Null => return Ok(None),
        Kind::Object => {}
        _ => return Err(wrong(member, "metadata", "an object")),
    }
    let start = member.value.start;
    let metadata = member.value.of(body);
    let object =
        Object::document(metadata, Scanner::Fastest).map_err(|error| error.within(start))?;
    let Some(user_id) = object.member(metadata, "user_id") else {
        return Ok(None);
    };
    let span =
        string(metadata, user_id, "metadata.user_id").map_err(|error| error.within(start))?;
    Ok(span.map(|span| Span {
        start: span.start + start,
        end: span.end + start,
    }))
}

fn wrong(member: &Member, name: &'static str, wanted: &'static str) -> Malformed {
    MalformedKind::WrongType { name, wanted }.at(member.value.start)
}
