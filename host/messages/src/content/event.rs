//! One event of a stream: its data, the text in it, and the same event with another text.

use std::borrow::Cow;
use std::ops::Range;

use super::parts::Part;
use super::{Cut, Kind, rewrite};
use crate::json::{Kind as JsonKind, Malformed, closing_quote, whole_number};

/// The data of an event.
#[derive(Debug)]
pub(super) enum Data {
    /// A part of the event's bytes, as the API writes it.
    Line(Range<usize>),
    /// The texts of several lines, joined.
    Lines(Vec<u8>),
}

/// An event as it stands in the stream.
#[derive(Debug)]
pub(super) struct Event<'a> {
    pub(super) raw: &'a [u8],
    pub(super) name: &'a [u8],
    /// `None` for a comment.
    data: Option<Data>,
}

/// A delta of a content block.
#[derive(Debug)]
pub(super) struct Delta {
    /// The index of the block.
    pub(super) block: u64,
    pub(super) content: DeltaContent,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum DeltaContent {
    /// A piece of text, at this position in the data.
    Text(Kind, Range<usize>),
    /// The signature of thinking.
    Signature,
    Other,
}

const MARK: &[u8] = b"\xef\xbb\xbf";

// === impl Event ===

impl<'a> Event<'a> {
    /// Reads the lines of an event.
    pub(super) fn read(raw: &'a [u8]) -> Self {
        let mut event = Self {
            raw,
            name: b"",
            data: None,
        };
        let mut at = if raw.starts_with(MARK) { MARK.len() } else { 0 };
        while at < raw.len() {
            let rest = raw.get(at..).unwrap_or_default();
            let end = at + memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            event.line(at..end);
            at = end + 1;
        }
        event
    }

    fn line(&mut self, line: Range<usize>) {
        let text = self.raw.get(line.clone()).unwrap_or_default();
        let colon = memchr::memchr(b':', text).unwrap_or(text.len());
        let (field, value) = text.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match (field, &mut self.data) {
            (b"event", _) => self.name = value,
            (b"data", None) => self.data = Some(Data::Line(line.end - value.len()..line.end)),
            (b"data", Some(Data::Line(first))) => {
                // A line end within JSON is a blank.
                let first = self.raw.get(first.clone()).unwrap_or_default();
                self.data = Some(Data::Lines([first, b" ", value].concat()));
            }
            (b"data", Some(Data::Lines(joined))) => {
                joined.push(b' ');
                joined.extend_from_slice(value);
            }
            _ => {}
        }
    }

    /// Returns the data; empty if there is none.
    pub(super) fn data(&self) -> &[u8] {
        match &self.data {
            Some(Data::Line(span)) => self.raw.get(span.clone()).unwrap_or_default(),
            Some(Data::Lines(joined)) => joined,
            None => b"",
        }
    }

    /// Returns whether the event has data. A comment has none.
    pub(super) fn has_data(&self) -> bool {
        self.data.is_some()
    }

    /// Returns the type in the data, by which clients read an event; its name if there is none.
    pub(super) fn kind(&self) -> Cow<'a, str> {
        match self.member("type").map(Part::decoded) {
            Some(kind) if !kind.is_empty() => Cow::Owned(kind.into_owned()),
            _ => String::from_utf8_lossy(self.name),
        }
    }

    /// Returns the event with cuts in its data.
    pub(super) fn rewritten(&self, cuts: &mut [Cut]) -> Vec<u8> {
        let data = rewrite(self.data(), cuts);
        match &self.data {
            Some(Data::Line(span)) => {
                let before = self.raw.get(..span.start).unwrap_or_default();
                let after = self.raw.get(span.end..).unwrap_or_default();
                [before, &data, after].concat()
            }
            _ => [b"event: ", self.name, b"\ndata: ", &data, b"\n\n"].concat(),
        }
    }

    /// Reads a `content_block_delta` that is written as the API writes it, without looking at any byte twice. Returns `None`
    /// for any other event.
    pub(super) fn delta_at_once(&self) -> Option<Delta> {
        let data = self.data();
        let rest = data.strip_prefix(b"{\"type\":\"content_block_delta\",\"index\":")?;
        let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
        let (block, rest) = rest.split_at(digits);
        let rest = rest.strip_prefix(b",\"delta\":{\"type\":\"")?;
        let (kind, rest) = [
            (&b"text_delta\",\"text\":"[..], Kind::Text),
            (b"thinking_delta\",\"thinking\":", Kind::Thinking),
            (b"input_json_delta\",\"partial_json\":", Kind::ToolInput),
        ]
        .into_iter()
        .find_map(|(before, kind)| Some((kind, rest.strip_prefix(before)?)))?;
        let quote = data.len() - rest.len();
        let end = rest.starts_with(b"\"").then(|| closing_quote(data, quote));
        let end = end?.ok()?;
        (data.get(end + 1..) == Some(b"}}")).then_some(Delta {
            block: whole_number(block)?,
            content: DeltaContent::Text(kind, quote + 1..end),
        })
    }

    /// Reads a `content_block_delta` in any spelling.
    pub(super) fn delta(&self) -> Delta {
        let content = self.member("delta").map_or(DeltaContent::Other, content_of);
        Delta {
            block: self.block(),
            content,
        }
    }

    /// Returns the index of the block that the event is about.
    pub(super) fn block(&self) -> u64 {
        let index = self.member("index").map(|index| whole_number(index.json));
        index.flatten().unwrap_or_default()
    }

    /// Returns the member of this name, the last one if there are several. Its position is that in the data.
    pub(super) fn member(&self, name: &str) -> Option<Part<'_>> {
        last(Part::whole(self.data()), name)
    }

    /// Returns whether a `message_delta` says why the model stopped.
    pub(super) fn ends_message(&self) -> bool {
        let reason = self
            .member("delta")
            .and_then(|delta| last(delta, "stop_reason"));
        reason.is_some_and(|reason| reason.kind == JsonKind::String)
    }
}

fn content_of(delta: Part<'_>) -> DeltaContent {
    let kind = last(delta, "type").map(Part::decoded).unwrap_or_default();
    let (name, kind) = match &*kind {
        "text_delta" => ("text", Kind::Text),
        "compaction_delta" => ("content", Kind::Text),
        "thinking_delta" => ("thinking", Kind::Thinking),
        "input_json_delta" => ("partial_json", Kind::ToolInput),
        "signature_delta" => return DeltaContent::Signature,
        _ => return DeltaContent::Other,
    };
    let text = last(delta, name);
    match text.and_then(|text| Some((text.at + 1, text.string()?.len()))) {
        Some((start, len)) => DeltaContent::Text(kind, start..start + len),
        None => DeltaContent::Other,
    }
}

/// Returns the last member of this name, as far as the object can be read.
fn last<'a>(object: Part<'a>, wanted: &str) -> Option<Part<'a>> {
    let mut found = None;
    // A client can't read an event that is malformed.
    let _ = object.members::<Malformed>(|name, value| {
        if name == wanted {
            found = Some(value);
        }
        Ok(())
    });
    found
}
