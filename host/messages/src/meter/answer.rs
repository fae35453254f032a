//! The meter of a JSON answer.
//!
//! Of a large answer the meter keeps the structure and the beginnings of strings, because no relevant number is in a long
//! string. So a slow client does not keep its answer in memory. A small answer is kept as it is, which costs less.

mod outline;

use std::sync::{LazyLock, OnceLock};

use memchr::memmem::Finder;

use super::{BYTES_PER_TOKEN, Made, Reading, Source};
use crate::error::ErrorReport;
use crate::json::{Elements, Kind, MalformedKind, Object, Scanner};
use crate::usage::{Output, Usage};
use outline::Outline;

/// Maximum bytes kept of an answer.
const MAX_KEPT_BYTES: usize = 1 << 20;

/// Size in bytes up to which an answer is kept as it is.
const SMALL_ANSWER_BYTES: usize = 32 << 10;

/// The names of created objects. Each of their searchers is made once, which takes as long as a search.
static NAMES: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| {
    let names: [&[u8]; 2] = [b"\"container\"", b"\"file_id\""];
    names.map(Finder::new)
});

/// An answer as it arrives.
#[derive(Debug, Default)]
pub(super) struct Answer {
    body: Vec<u8>,
    /// The outline, once the answer is no longer small.
    outline: Option<Outline>,
    /// Bytes received.
    fed: usize,
    fit: Fit,
    /// Position up to which the search for created objects has come.
    searched: usize,
    promise: Promise,
    container: Option<String>,
    made: Option<Box<Made>>,
    /// The reading of what has been received, once it has been asked for.
    read: OnceLock<Box<Reading>>,
}

/// State of the outline: complete or truncated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Fit {
    #[default]
    Whole,
    /// Truncated at the limit.
    TooLarge,
}

/// The likelihood that the answer reports created objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Promise {
    /// No sign of it so far.
    #[default]
    Nothing,
    /// A name was seen, whose value is read once the answer is whole.
    Seen,
    /// The objects have been read.
    Kept,
}

// === impl Answer ===

impl Answer {
    pub(super) fn feed(&mut self, chunk: &[u8]) {
        self.fed = self.fed.saturating_add(chunk.len());
        self.read = OnceLock::new();
        if self.fit == Fit::TooLarge {
            return;
        }
        if self.keep(chunk) {
            self.look_for_made();
        } else {
            self.fit = Fit::TooLarge;
        }
    }

    /// Keeps a chunk, or the relevant parts of it. Returns whether it fitted.
    fn keep(&mut self, chunk: &[u8]) -> bool {
        let mut outline = match self.outline.take() {
            Some(outline) => outline,
            None if self.body.len() + chunk.len() <= SMALL_ANSWER_BYTES => {
                self.body.extend_from_slice(chunk);
                return true;
            }
            None => {
                let mut outline = Outline::default();
                let whole = std::mem::take(&mut self.body);
                self.searched = 0;
                // The outline is smaller than the answer was.
                outline.add(&whole, &mut self.body, MAX_KEPT_BYTES);
                outline
            }
        };
        let fitted = outline.add(chunk, &mut self.body, MAX_KEPT_BYTES);
        self.outline = Some(outline);
        fitted
    }

    pub(super) fn take_made(&mut self) -> Option<Made> {
        self.made.take().map(|made| *made)
    }

    /// Searches for created objects, including the chunk that completes the answer.
    fn look_for_made(&mut self) {
        if self.promise == Promise::Nothing {
            let new = self.body.get(self.searched..).unwrap_or_default();
            if NAMES.iter().any(|name| name.find(new).is_some()) {
                self.promise = Promise::Seen;
            }
            // A name may be divided between two chunks.
            self.searched = self.body.len().saturating_sub(16);
        }
        let body = self.body.as_slice();
        if self.promise != Promise::Seen || !body.trim_ascii_end().ends_with(b"}") {
            return;
        }
        let Ok(object) = Object::document(body, Scanner::Fastest) else {
            return;
        };
        self.promise = Promise::Kept;
        let container = object
            .member(body, "container")
            .and_then(|member| Made::container(member.value.text(body)));
        self.container = container
            .as_ref()
            .and_then(|made| made.containers.first().cloned());
        Made::merge(&mut self.made, container);
        let content = object.member(body, "content");
        let blocks = content.filter(|member| matches!(member.kind, Kind::Array(_)));
        for block in blocks
            .into_iter()
            .flat_map(|member| Elements::new(member.value.of(body)))
        {
            Made::merge(&mut self.made, Made::files(block));
        }
    }

    pub(super) fn output_so_far(&self) -> u64 {
        u64::try_from(self.fed)
            .unwrap_or(u64::MAX)
            .div_ceil(BYTES_PER_TOKEN)
    }

    pub(super) fn reading(&self) -> Reading {
        (**self.read.get_or_init(|| Box::new(self.read()))).clone()
    }

    pub(super) fn finish(mut self) -> Reading {
        match self.read.take() {
            Some(reading) => *reading,
            None => self.read(),
        }
    }

    fn read(&self) -> Reading {
        let body = self.body.as_slice();
        let object = match Object::document(body, Scanner::Fastest) {
            Ok(object) if self.fit == Fit::Whole => object,
            Err(error) if !is_cut(&error.kind) => {
                return Reading {
                    passed_over: 1,
                    ..Reading::default()
                };
            }
            Err(_) if body.trim_ascii().is_empty() => return Reading::default(),
            _ => return self.estimate(),
        };

        let text = |name: &str| {
            let text = object.string(body, name)?;
            Some(text.into_owned())
        };
        let usage = object
            .member(body, "usage")
            .filter(|member| member.kind == Kind::Object);
        let mut parsed = Usage::default();
        let told = usage.map(|member| parsed.overwrite(member.value.of(body)));
        let source = match told {
            Some(Ok(Output::Said | Output::NotSaid)) => Source::Reported,
            Some(Ok(Output::Unreadable)) => {
                parsed.tokens.output = self.output_so_far();
                Source::Estimated
            }
            Some(Err(_)) => {
                parsed = Usage::default();
                Source::None
            }
            None => Source::None,
        };
        let content = object.member(body, "content");
        let is_message = object.string(body, "type").as_deref() == Some("message");
        Reading {
            source,
            passed_over: u64::from(matches!(told, Some(Err(_)))),
            usage: parsed,
            model: text("model"),
            // Errors and lists contain ids of other objects.
            message_id: text("id").filter(|_| is_message),
            stop_reason: text("stop_reason"),
            events: 0,
            content_started: content.is_some_and(|member| matches!(member.kind, Kind::Array(1..))),
            ended: true,
            error: object
                .member(body, "error")
                .and_then(|_| ErrorReport::read(body)),
            batch: None,
            container: self.container.clone(),
        }
    }

    /// Returns an estimate for an answer that was cut or is too large to keep, from its bytes.
    fn estimate(&self) -> Reading {
        let mut reading = Reading {
            source: Source::Estimated,
            passed_over: 1,
            ..Reading::default()
        };
        reading.usage.tokens.output = self.output_so_far();
        reading.content_started = true;
        reading
    }
}

fn is_cut(kind: &MalformedKind) -> bool {
    matches!(
        kind,
        MalformedKind::Truncated | MalformedKind::UnterminatedString
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_answer_is_kept_as_it_is_and_a_large_one_in_outline() {
        for (text, small) in [
            ("word ".repeat(1_000), true),
            ("word ".repeat(20_000), false),
        ] {
            let whole = serde_json::json!({
                "type": "message", "content": [{"type": "text", "text": text}],
                "container": {"id": "container_1"}, "usage": {"input_tokens": 3, "output_tokens": 7},
            });
            let whole = whole.to_string();
            let mut answer = Answer::default();
            for chunk in whole.as_bytes().chunks(1_000) {
                answer.feed(chunk);
            }
            assert_eq!(
                answer.body == whole.as_bytes(),
                small,
                "{} bytes",
                whole.len()
            );
            assert!(
                answer.body.len() < SMALL_ANSWER_BYTES,
                "{} kept",
                answer.body.len()
            );
            assert_eq!(
                answer.reading().usage.tokens.output,
                7,
                "what counts is there"
            );
            assert_eq!(
                answer.reading().container.as_deref(),
                Some("container_1"),
                "and what was made"
            );
        }
    }
}
