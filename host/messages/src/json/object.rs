//! The members of one object, with unique names.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::text::Spelling;
use super::walk::Walk;
use super::{Kind, MAX_MEMBERS, Malformed, MalformedKind, Scanner, Span, unescape};

/// The members of one object, in order.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    /// Sixteen members suffice for what clients send, so that a scan allocates nothing.
    members: SmallVec<[Member; 16]>,
    /// Position after the closing brace.
    end: usize,
}

/// A member, as spans of the document.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// The name as written, without its quotes.
    pub(crate) name: Span,
    /// The name with escapes resolved, if it has any.
    decoded: Option<Box<str>>,
    pub(crate) value: Span,
    pub(crate) kind: Kind,
    /// Bytes of base64 and similar data in the value.
    pub(crate) solid: usize,
}

// === impl Object ===

impl Object {
    /// Reads a document that is one object, with only blanks around it.
    pub(crate) fn document(bytes: &[u8], scanner: Scanner) -> Result<Self, Malformed> {
        let mut walk = Walk::new(bytes, scanner)?;
        let mut members = SmallVec::<[Member; 16]>::new();
        while let Some(step) = walk.step()? {
            let decoded = match step.spelling {
                Spelling::Plain => None,
                Spelling::Escaped => {
                    let meant = step.meant(bytes).map_err(|place| {
                        MalformedKind::LoneSurrogate.at(step.name.start + place)
                    })?;
                    Some(Box::<str>::from(meant))
                }
            };
            let name = decoded
                .as_deref()
                .map_or_else(|| step.name.of(bytes), str::as_bytes);
            if members.iter().any(|earlier| earlier.bytes(bytes) == name) {
                let name = decoded.unwrap_or_else(|| step.name.text(bytes).into());
                return Err(MalformedKind::Duplicate { name }.at(step.name.start - 1));
            }
            if members.len() == MAX_MEMBERS {
                return Err(MalformedKind::TooManyMembers.at(step.name.start - 1));
            }
            let (value, kind, solid) = (step.value.span, step.value.kind, step.value.solid);
            members.push(Member {
                name: step.name,
                decoded,
                value,
                kind,
                solid,
            });
        }
        let end = super::value::blank_end(bytes, walk.end());
        if end < bytes.len() {
            return Err(MalformedKind::TrailingBytes.at(end));
        }
        Ok(Self {
            members,
            end: walk.end(),
        })
    }

    /// Returns all members in order.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Returns the member of this name, in any spelling.
    pub(crate) fn member(&self, bytes: &[u8], name: &str) -> Option<&Member> {
        self.members
            .iter()
            .find(|member| member.is_named(bytes, name))
    }

    /// Returns the text of a member that is a string, or `None` if there is no such member.
    pub(crate) fn string<'a>(&self, bytes: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
        let member = self.member(bytes, name)?;
        let quoted = (member.kind == Kind::String).then_some(member.value)?;
        unescape(quoted.unquoted().text(bytes)).ok()
    }

    /// Returns the position of the closing brace.
    pub(crate) fn closing_brace(&self) -> usize {
        self.end - 1
    }
}

// === impl Member ===

impl Member {
    /// Reads a document that is one value, with only blanks around it, as a member without a name.
    pub(crate) fn alone(bytes: &[u8]) -> Result<Self, Malformed> {
        let start = super::value::blank_end(bytes, 0);
        let value = super::value::read(bytes, start, Scanner::Fastest)?;
        let end = super::value::blank_end(bytes, value.span.end);
        if end < bytes.len() {
            return Err(MalformedKind::TrailingBytes.at(end));
        }
        Ok(Self {
            name: Span { start, end: start },
            decoded: None,
            value: value.span,
            kind: value.kind,
            solid: value.solid,
        })
    }

    /// Returns true if this is the member's name with escapes resolved.
    pub(crate) fn is_named(&self, bytes: &[u8], name: &str) -> bool {
        self.bytes(bytes) == name.as_bytes()
    }

    /// Returns the bytes of the name with escapes resolved.
    fn bytes<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        match &self.decoded {
            Some(decoded) => decoded.as_bytes(),
            None => self.name.of(bytes),
        }
    }

    /// Returns the name with escapes resolved.
    pub(crate) fn meant<'a>(&'a self, bytes: &'a [u8]) -> &'a str {
        self.decoded
            .as_deref()
            .unwrap_or_else(|| self.name.text(bytes))
    }
}
