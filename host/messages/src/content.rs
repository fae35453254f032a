//! Texts of requests and responses, for guards that read and change them.
//!
//! The readers decode nothing and build nothing: they find each text by its position in the JSON, so that a changed text is
//! spliced in place ([`rewrite`]) and every other byte stays as it was. [`Stream`] does the same for an event stream, whose
//! texts arrive in pieces.
//!
//! A reader of a request fails at JSON that it can't follow, so that no text is overlooked. Not read are names of members,
//! numbers, base64 data, URLs, citations, and thinking of earlier turns, which is signed.

mod answer;
mod event;
mod frames;
mod inspect;
mod made;
mod parts;
mod queue;
mod request;
mod stream;

pub use answer::{Message, answer, result};
pub use inspect::{Inspect, Passage};
pub use request::{messages, requests, system};
pub use stream::{Follows, Stream};

use std::borrow::Cow;
use std::ops::Range;

use serde::de::IgnoredAny;

use crate::json::unescape_lossy;

/// The kind of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A request's system prompt, or a system message.
    System,
    /// A text of the user.
    User,
    /// A text of the assistant in an earlier turn, or a string in the input of one of its tool calls.
    Assistant,
    /// A text in the result of a tool.
    ToolResult,
    /// A text of the response.
    Text,
    /// Thinking in the response.
    Thinking,
    /// The JSON text of a tool call's input in the response.
    ToolInput,
    /// A text in the result of a tool that the provider ran for the response.
    ServerToolResult,
    /// The end of the response, without a text.
    End,
}

/// The form in which a text is written in the JSON around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A string.
    String,
    /// A value whose JSON is the text itself.
    Json,
}

/// A text and its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<'a> {
    /// The kind.
    pub kind: Kind,
    /// The form.
    pub form: Form,
    /// The bytes as written, for a string those between its quotes.
    pub raw: &'a [u8],
    /// The position of these bytes in the JSON that was given.
    pub span: Range<usize>,
    /// The position of the signature of a thinking text, between its quotes. It has to be emptied with a change of the text.
    pub signature: Option<Range<usize>>,
}

/// A new text for a span of a JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The span.
    pub span: Range<usize>,
    /// The JSON that takes its place.
    pub json: String,
}

// === impl Text ===

impl<'a> Text<'a> {
    /// Returns the text with escapes resolved. Half a surrogate pair and bytes that are no UTF-8 become U+FFFD.
    pub fn decoded(&self) -> Cow<'a, str> {
        match self.form {
            Form::String => unescape_lossy(self.raw),
            Form::Json => String::from_utf8_lossy(self.raw),
        }
    }

    /// Returns the cuts that put another text in the place of this one. A text that is no JSON takes the place of JSON as a string.
    pub fn cuts(&self, text: &str) -> impl Iterator<Item = Cut> + use<> {
        let text = Cut {
            span: self.span.clone(),
            json: match self.form {
                Form::String => escaped(text),
                Form::Json if serde_json::from_str::<IgnoredAny>(text).is_ok() => text.to_owned(),
                Form::Json => serde_json::Value::from(text).to_string(),
            },
        };
        let signature = self.signature.clone().map(|span| Cut {
            span,
            json: String::new(),
        });
        [Some(text), signature].into_iter().flatten()
    }
}

/// Returns a text as it is written between the quotes of a JSON string.
pub(crate) fn escaped(text: &str) -> String {
    let mut json = serde_json::Value::from(text).to_string();
    json.pop();
    json.remove(0);
    json
}

/// Returns `json` with cuts applied, and all other bytes as they were. The cuts may be in any order and must not overlap.
pub fn rewrite(json: &[u8], cuts: &mut [Cut]) -> Vec<u8> {
    cuts.sort_by_key(|cut| cut.span.start);
    let added: usize = cuts.iter().map(|cut| cut.json.len()).sum();
    let mut new = Vec::with_capacity(json.len() + added);
    let mut at = 0;
    for cut in cuts {
        new.extend_from_slice(json.get(at..cut.span.start).unwrap_or_default());
        new.extend_from_slice(cut.json.as_bytes());
        at = cut.span.end;
    }
    new.extend_from_slice(json.get(at..).unwrap_or_default());
    new
}
