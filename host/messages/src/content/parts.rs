//! Walks over the members of objects and the elements of arrays, with positions in the whole document.

use std::borrow::Cow;

use super::{Form, Kind, Text};
use crate::json::{Elements, Kind as JsonKind, Malformed, MalformedKind, Scanner, Walk, unescape};

/// Levels of content within content that are read. The API has six: a text of a document in a tool's result.
const MAX_LEVELS: usize = 12;

/// A value and its position.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) json: &'a [u8],
    pub(super) at: usize,
    pub(super) kind: JsonKind,
}

/// The side of an exchange whose content blocks are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Response,
}

// === impl Part ===

impl<'a> Part<'a> {
    /// Returns the value that a document consists of.
    pub(super) fn whole(json: &'a [u8]) -> Self {
        let blank = json.iter().take_while(|byte| byte.is_ascii_whitespace());
        let at = blank.count();
        let kind = match json.get(at) {
            Some(b'{') => JsonKind::Object,
            Some(b'[') => JsonKind::Array(0),
            Some(b'"') => JsonKind::String,
            _ => JsonKind::Null,
        };
        Self {
            json: json.get(at..).unwrap_or_default().trim_ascii_end(),
            at,
            kind,
        }
    }

    /// Calls `each` with the members of an object, in order. Other values have none.
    pub(super) fn members<E: From<Malformed>>(
        self,
        mut each: impl FnMut(&str, Self) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.kind != JsonKind::Object {
            return Ok(());
        }
        let here = |error: Malformed| error.within(self.at);
        let mut walk = Walk::new(self.json, Scanner::Fastest).map_err(here)?;
        while let Some(step) = walk.step().map_err(here)? {
            let place = self.at + step.name.start;
            let name = step
                .meant(self.json)
                .map_err(|_| MalformedKind::LoneSurrogate.at(place))?;
            let value = Self {
                json: step.value.span.of(self.json),
                at: self.at + step.value.span.start,
                kind: step.value.kind,
            };
            each(&name, value)?;
        }
        Ok(())
    }

    /// Calls `each` with the elements of an array, in order. Other values have none.
    pub(super) fn elements<E: From<Malformed>>(
        self,
        mut each: impl FnMut(Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut elements = Elements::new(self.json);
        if self.json.first() != Some(&b'[') {
            return Ok(());
        }
        while let Some(json) = elements.next() {
            let at = self.at + elements.end() - json.len();
            let kind = Self::whole(json).kind;
            each(Self { json, at, kind })?;
        }
        if elements.is_whole() {
            Ok(())
        } else {
            Err(MalformedKind::MissingComma
                .at(self.at + elements.end())
                .into())
        }
    }

    /// Returns a string without its quotes, or `None` for other values.
    pub(super) fn string(self) -> Option<&'a [u8]> {
        let inner = self.json.len().checked_sub(1)?;
        self.json
            .get(1..inner)
            .filter(|_| self.kind == JsonKind::String)
    }

    /// Returns a string without its escapes; empty for other values.
    pub(super) fn decoded(self) -> Cow<'a, str> {
        let string = self.string().unwrap_or_default();
        unescape(std::str::from_utf8(string).unwrap_or_default()).unwrap_or_default()
    }

    /// Returns the member of this name, the last one if there are several.
    pub(super) fn member<E: From<Malformed>>(self, wanted: &str) -> Result<Option<Self>, E> {
        let mut found = None;
        self.members::<E>(|name, value| {
            if name == wanted {
                found = Some(value);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Passes on a string that is a text and not empty.
    pub(super) fn text<E>(
        self,
        kind: Kind,
        each: &mut impl FnMut(Text<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(raw) = self.string().filter(|raw| !raw.is_empty()) else {
            return Ok(());
        };
        let start = self.at + 1;
        each(Text {
            kind,
            form: Form::String,
            raw,
            span: start..start + raw.len(),
            signature: None,
        })
    }

    /// Passes on every string in a value but the names of members, at any depth.
    pub(super) fn strings<E>(
        self,
        kind: Kind,
        each: &mut impl FnMut(Text<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut at = 0;
        while let Some(found) =
            memchr::memchr(b'"', self.json.get(at..).unwrap_or_default()).map(|found| at + found)
        {
            let Some(end) = crate::json::closing_quote_anyhow(self.json, found) else {
                return Ok(());
            };
            at = end + 1;
            let after = self.json.get(at..).unwrap_or_default().trim_ascii_start();
            if after.first() == Some(&b':') {
                continue;
            }
            let string = Self {
                json: self.json.get(found..at).unwrap_or_default(),
                at: self.at + found,
                kind: JsonKind::String,
            };
            string.text(kind, each)?;
        }
        Ok(())
    }

    /// Passes on the texts of content: a string, a block, or a list of them.
    pub(super) fn content<E: From<Malformed>>(
        self,
        kind: Kind,
        side: Side,
        levels: usize,
        each: &mut impl FnMut(Text<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(levels) = levels.checked_sub(1) else {
            return Err(MalformedKind::TooDeep.at(self.at).into());
        };
        match self.kind {
            JsonKind::String => self.text(kind, each),
            JsonKind::Array(_) => {
                self.elements(|element| element.content(kind, side, levels, each))
            }
            JsonKind::Object => self.block(kind, side, levels, each),
            _ => Ok(()),
        }
    }

    fn block<E: From<Malformed>>(
        self,
        kind: Kind,
        side: Side,
        levels: usize,
        each: &mut impl FnMut(Text<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let block = self.member::<E>("type")?;
        let block = block.map(Self::decoded).unwrap_or_default();
        let kind = match side {
            _ if !is_result(&block) => kind,
            Side::Request => Kind::ToolResult,
            Side::Response => Kind::ServerToolResult,
        };
        if block == "thinking" || block == "redacted_thinking" {
            return match side {
                Side::Request => Ok(()),
                Side::Response => self.thinking(each),
            };
        }
        self.members(|name, value| match name {
            "text" | "title" | "context" | "stdout" | "stderr" | "lines" | "content" => {
                value.content(kind, side, levels, each)
            }
            "source" if value.kind == JsonKind::Object => value.block(kind, side, levels, each),
            "data" if block == "text" => value.text(kind, each),
            "input" if block.ends_with("tool_use") => match side {
                Side::Request => value.strings(kind, each),
                Side::Response => value.input(each),
            },
            _ => Ok(()),
        })
    }

    fn thinking<E: From<Malformed>>(
        self,
        each: &mut impl FnMut(Text<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let signature = self.member::<E>("signature")?;
        let signature = signature.and_then(|part| {
            let start = part.at + 1;
            Some(start..start + part.string()?.len())
        });
        self.members(|name, value| match name {
            "thinking" => value.text(Kind::Thinking, &mut |text| {
                each(Text {
                    signature: signature.clone(),
                    ..text
                })
            }),
            _ => Ok(()),
        })
    }

    fn input<E>(self, each: &mut impl FnMut(Text<'a>) -> Result<(), E>) -> Result<(), E> {
        // `{}` holds the place of what a stream brings later.
        if self.json.len() <= 2 {
            return Ok(());
        }
        each(Text {
            kind: Kind::ToolInput,
            form: Form::Json,
            raw: self.json,
            span: self.at..self.at + self.json.len(),
            signature: None,
        })
    }

    /// Passes on the texts of content, with all levels that are read.
    pub(super) fn all<E: From<Malformed>>(
        self,
        kind: Kind,
        side: Side,
        each: &mut impl FnMut(Text<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.content(kind, side, MAX_LEVELS, each)
    }
}

fn is_result(block: &str) -> bool {
    block == "tool_result" || block.ends_with("_tool_result")
}
