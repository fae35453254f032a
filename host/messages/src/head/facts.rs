//! What policy reads in the top level, each member checked for its type: in a body as it came, or with edits made in it.

use std::borrow::Cow;

use crate::json::{Kind, Malformed, MalformedKind, Member, Object, Scanner, Span, unescape};
use crate::splice::{Edit, EditError};

/// Bytes of prompt text that make a token.
const TEXT_BYTES_PER_TOKEN: usize = 4;
/// Bytes of base64 that make a token.
const SOLID_BYTES_PER_TOKEN: usize = 512;

/// What policy reads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(super) model: Option<Text>,
    pub(super) user_id: Option<Text>,
    pub(super) stream: bool,
    pub(super) max_tokens: Option<u64>,
    pub(super) message_count: u32,
    pub(super) tool_count: u32,
    pub(super) prompt_tokens: u64,
}

/// A text that policy reads.
#[derive(Debug, Clone)]
pub(super) enum Text {
    /// It stands in the body, within its quotes; it unescapes.
    InBody(Span),
    /// An edit sets it.
    Set(Box<str>),
}

/// Facts in the making.
#[derive(Default)]
struct Reading {
    facts: Facts,
    text: usize,
    solid: usize,
}

// === impl Facts ===

impl Facts {
    pub(super) fn read(body: &[u8], object: &Object) -> Result<Self, Malformed> {
        let mut reading = Reading::default();
        for member in object.members() {
            reading.take(member.meant(body), body, member, Text::InBody)?;
        }
        Ok(reading.facts())
    }

    /// The facts of a body that was read before, with these edits made in it. Of several edits of one member the last
    /// one counts.
    pub(super) fn edited(body: &[u8], object: &Object, edits: &[Edit]) -> Result<Self, EditError> {
        let mut reading = Reading::default();
        for member in object.members() {
            let name = member.meant(body);
            if !edits.iter().any(|edit| edit.name() == name) {
                let taken = reading.take(name, body, member, Text::InBody);
                taken.map_err(|source| EditError::of(name, source))?;
            }
        }
        let mut later = edits.iter();
        while let Some(edit) = later.next() {
            let replaced = later.clone().any(|later| later.name() == edit.name());
            match edit {
                Edit::Set(name, json) if !replaced => reading.set(name, json)?,
                Edit::Set(..) | Edit::Remove(_) => {}
            }
        }
        Ok(reading.facts())
    }

    /// Checks the text that a member is to be set to.
    pub(crate) fn check(name: &str, json: &str) -> Result<(), EditError> {
        Reading::default().set(name, json)
    }
}

// === impl Text ===

impl Text {
    /// The text as it is meant. It was checked when the head was read.
    pub(super) fn of<'a>(&'a self, body: &'a [u8]) -> Cow<'a, str> {
        match self {
            Self::InBody(span) => unescape(span.text(body)).unwrap_or_default(),
            Self::Set(text) => Cow::Borrowed(text),
        }
    }
}

// === impl Reading ===

impl Reading {
    /// Takes in a member. `keep` makes a text of the place where it stands in `document`.
    fn take(
        &mut self,
        name: &str,
        document: &[u8],
        member: &Member,
        keep: impl Fn(Span) -> Text,
    ) -> Result<(), Malformed> {
        let facts = &mut self.facts;
        match name {
            "model" => facts.model = string(document, member, "model")?.map(keep),
            "stream" => facts.stream = boolean(member)?,
            "max_tokens" => facts.max_tokens = whole_number(document, member)?,
            "metadata" => facts.user_id = user_id(document, member)?.map(keep),
            "messages" | "tools" | "system" => {
                self.text += member.value.len() - member.solid;
                self.solid += member.solid;
                match name {
                    "messages" => facts.message_count = count(member, "messages")?,
                    "tools" => facts.tool_count = count(member, "tools")?,
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes in a member that an edit sets.
    fn set(&mut self, name: &str, json: &str) -> Result<(), EditError> {
        let document = json.as_bytes();
        let keep = |span: Span| {
            let text = unescape(span.text(document)).unwrap_or_default();
            Text::Set(text.into())
        };
        Member::alone(document)
            .and_then(|member| self.take(name, document, &member, keep))
            .map_err(|source| EditError::of(name, source))
    }

    fn facts(self) -> Facts {
        let text = self.text.div_ceil(TEXT_BYTES_PER_TOKEN);
        let solid = self.solid.div_ceil(SOLID_BYTES_PER_TOKEN);
        Facts {
            prompt_tokens: u64::try_from(text + solid).unwrap_or(u64::MAX),
            ..self.facts
        }
    }
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
