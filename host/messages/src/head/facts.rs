//! Facts that policy reads in the top level of a body, as received or edited.
//!
//! A client's member of a wrong type is not refused but noted as unread, and left to the upstream. An edit comes from a plugin
//! and must have the right type. Text that parsers could read differently is refused.

use std::borrow::Cow;

use super::models::each_model;
use crate::json::{
    Inside, Kind, Malformed, MalformedKind, Member, Object, Span, each_named, unescape,
    whole_number,
};
use crate::splice::{Edit, EditError};

/// Bytes of prompt text per token.
const TEXT_BYTES_PER_TOKEN: usize = 4;
/// Bytes of base64 per token.
const SOLID_BYTES_PER_TOKEN: usize = 512;

/// The facts that policy reads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(super) model: Option<Text>,
    /// Models named by other members.
    pub(super) models: Vec<Text>,
    /// True if the upstream may choose a further model.
    pub(super) open_model: bool,
    pub(super) user_id: Option<Text>,
    pub(super) stream: bool,
    pub(super) max_tokens: Option<u64>,
    pub(super) message_count: u32,
    pub(super) tool_count: u32,
    pub(super) prompt_tokens: u64,
    pub(super) unread: Vec<Unread>,
}

/// A policy member of a type that only the upstream can interpret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Unread {
    /// The member's name.
    pub member: &'static str,
    /// The type found: `string`, `number`, `boolean`, `object` or `array`.
    pub kind: &'static str,
    /// The type that policy could read.
    wanted: &'static str,
}

/// A text that policy reads.
#[derive(Debug, Clone)]
pub(super) enum Text {
    /// The span in the body, within its quotes. The text is known to unescape.
    InBody(Span),
    /// The value set by an edit.
    Set(Box<str>),
}

/// Facts under construction.
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

    /// Returns the facts of a scanned body with these edits applied. Of several edits of one member the last one counts.
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
                Edit::Set(..) | Edit::Insert(_) | Edit::Remove(_) => {}
            }
        }
        Ok(reading.facts())
    }

    /// Checks the new value of a member.
    pub(crate) fn check(name: &str, json: &str) -> Result<(), EditError> {
        Reading::default().set(name, json)
    }

    /// Records a member that was not read. `null` counts as absent.
    fn note(&mut self, member: &Member, name: &'static str, wanted: &'static str) {
        let kind = match member.kind {
            Kind::Null => return,
            Kind::String => "string",
            Kind::Number => "number",
            Kind::True | Kind::False => "boolean",
            Kind::Object => "object",
            Kind::Array(_) => "array",
        };
        self.unread.push(Unread {
            member: name,
            kind,
            wanted,
        });
    }

    /// Returns the number of elements, and records a value that is not an array.
    fn count(&mut self, member: &Member, name: &'static str) -> u32 {
        let Kind::Array(elements) = member.kind else {
            self.note(member, name, "an array");
            return 0;
        };
        u32::try_from(elements).unwrap_or(u32::MAX)
    }
}

// === impl Text ===

impl Text {
    /// Returns the unescaped text, which was checked by the scan.
    pub(super) fn of<'a>(&'a self, body: &'a [u8]) -> Cow<'a, str> {
        match self {
            Self::InBody(span) => unescape(span.text(body)).unwrap_or_default(),
            Self::Set(text) => Cow::Borrowed(text),
        }
    }
}

// === impl Reading ===

impl Reading {
    /// Adds a member. `keep` turns its span in `document` into a text.
    fn take(
        &mut self,
        name: &str,
        document: &[u8],
        member: &Member,
        keep: impl Fn(Span) -> Text,
    ) -> Result<(), Malformed> {
        let facts = &mut self.facts;
        match name {
            "model" => match member.kind {
                Kind::String => facts.model = Some(keep(string(document, member.value)?)),
                _ => facts.note(member, "model", "a string"),
            },
            "stream" => match member.kind {
                Kind::True => facts.stream = true,
                Kind::False => {}
                _ => facts.note(member, "stream", "a boolean"),
            },
            "max_tokens" => {
                facts.max_tokens = number(document, member);
                if facts.max_tokens.is_none() {
                    facts.note(member, "max_tokens", "a whole number from 0 on");
                }
            }
            "metadata" => facts.user_id = user_id(document, member)?.map(&keep),
            "fallbacks" if member.kind == Kind::String => facts.open_model = true,
            "messages" | "tools" | "system" => {
                self.text += member.value.len() - member.solid;
                self.solid += member.solid;
                match name {
                    "messages" => facts.message_count = facts.count(member, "messages"),
                    "tools" => facts.tool_count = facts.count(member, "tools"),
                    _ => {}
                }
            }
            _ => {}
        }
        let models = &mut self.facts.models;
        each_model(name, document, member, models.len(), |within| {
            models.push(keep(text_within(document, within)?));
            Ok(())
        })
    }

    /// Adds a member that an edit sets.
    fn set(&mut self, name: &str, json: &str) -> Result<(), EditError> {
        let document = json.as_bytes();
        let keep = |span: Span| {
            let text = unescape(span.text(document)).unwrap_or_default();
            Text::Set(text.into())
        };
        let unread = self.facts.unread.len();
        Member::alone(document)
            .and_then(|member| self.take(name, document, &member, keep))
            .map_err(|source| EditError::of(name, source))?;
        match self.facts.unread.get(unread) {
            Some(Unread { member, wanted, .. }) => {
                let wrong = MalformedKind::WrongType {
                    name: member,
                    wanted,
                };
                Err(EditError::of(name, wrong.at(0)))
            }
            None => Ok(()),
        }
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

/// Returns the span within the quotes of a string that policy reads.
fn string(body: &[u8], quoted: Span) -> Result<Span, Malformed> {
    text_within(body, quoted.unquoted())
}

/// Returns a span within quotes that policy reads, after checking that it unescapes.
fn text_within(body: &[u8], span: Span) -> Result<Span, Malformed> {
    match unescape(span.text(body)) {
        Ok(_) => Ok(span),
        Err(place) => Err(MalformedKind::LoneSurrogate.at(span.start + place)),
    }
}

fn number(body: &[u8], member: &Member) -> Option<u64> {
    match member.kind {
        Kind::Number => whole_number(member.value.of(body)),
        _ => None,
    }
}

/// Returns the `user_id` of a `metadata` object. Its other members are not read.
fn user_id(body: &[u8], member: &Member) -> Result<Option<Span>, Malformed> {
    if member.kind != Kind::Object {
        return Ok(None);
    }
    let start = member.value.start;
    let mut found = None;
    let mut twice = None;
    each_named(member.value.of(body), |named| {
        if named.depth == 1 && named.is("user_id") {
            if found.is_some() {
                twice = Some(named.name.start);
            }
            found = Some(named.string);
        }
        Inside::Wanted
    });
    if let Some(place) = twice {
        let name = "user_id".into();
        return Err(MalformedKind::Duplicate { name }.at(start + place - 1));
    }
    let Some(within) = found.flatten() else {
        return Ok(None);
    };
    let quoted = Span {
        start: start + within.start - 1,
        end: start + within.end + 1,
    };
    string(body, quoted).map(Some)
}
