//! A meter of an answer's usage, fed with the bytes as they pass.
//!
//! A meter gets the chunks of a response body and never changes, delays or fails them. It parses only the `message_start`,
//! `message_delta` and `error` events of a stream; all others are recognised by name and cost no allocation. At any moment,
//! also after a cut, [`Meter::reading`] returns the known numbers and their reliability.

mod answer;
mod stream;

use std::sync::Arc;

use memchr::memmem;

use crate::batch::{Results, Totals};
use crate::error::ErrorReport;
use crate::json::{Inside, each_named, members};
use crate::price::PriceBook;
use crate::references::References;
use crate::sse::Place;
use crate::usage::Usage;
use answer::Answer;
use stream::Stream;

/// Bytes of delivered content per token, as long as the upstream has not reported a number. Typical of English and code as
/// JSON text.
pub const BYTES_PER_TOKEN: u64 = 4;

/// A meter of one response body.
#[derive(Debug)]
pub struct Meter {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Sse(Box<Stream>),
    Json(Box<Answer>),
    Results(Box<Results>),
    Opaque,
}

/// The known facts about an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The usage; `source` tells how reliable it is.
    pub usage: Usage,
    /// The origin of the numbers.
    pub source: Source,
    /// The serving model, as named by the upstream.
    pub model: Option<String>,
    /// The upstream's id of the message.
    pub message_id: Option<String>,
    /// The stop reason, if reported.
    pub stop_reason: Option<String>,
    /// Number of SSE events with data, unknown ones and pings included.
    pub events: u64,
    /// Number of events that could not be read: too large, or not of the expected shape.
    pub passed_over: u64,
    /// True once content has begun: the first `content_block_…` event has passed, or a JSON answer has content.
    pub content_started: bool,
    /// True once the answer is complete: `message_stop` has passed, or the JSON answer is whole.
    pub ended: bool,
    /// The error reported by the upstream, as an SSE event or as the body.
    pub error: Option<ErrorReport>,
    /// Totals of a batch's results, if the answer consists of them. They are billed once and not with the answer, whose own
    /// numbers are zero.
    pub batch: Option<Box<Totals>>,
    /// The container in which the answer's tools ran.
    pub container: Option<String>,
}

/// Objects that an answer reports to have created at the upstream, which the caller may use from then on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    /// Ids of containers.
    pub containers: Vec<String>,
    /// Ids of files written by tools.
    pub files: Vec<String>,
}

/// Content blocks whose tools create files and name them in their results.
const MAKERS: [&str; 3] = [
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
];

/// The origin of the numbers in a [`Reading`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Source {
    /// Reported by the upstream in a complete answer.
    Reported,
    /// The upstream's last cumulative numbers before the answer was cut.
    Partial,
    /// Output estimated from the bytes delivered, at [`BYTES_PER_TOKEN`], in addition to the last cumulative number if there is
    /// one. The prompt's numbers are the upstream's if `message_start` arrived, otherwise zero.
    Estimated,
    /// Unknown, and no delivered content to estimate from.
    #[default]
    None,
}

// === impl Made ===

impl Made {
    /// Returns the container named in this JSON text, if any.
    fn container(json: &str) -> Option<Self> {
        let mut named = References::default();
        named.add_container_value(json);
        let containers = named.take_containers();
        (!containers.is_empty()).then(|| Self {
            containers,
            files: Vec::new(),
        })
    }

    /// Returns the files that a content block reports to have created. Empty for blocks that cannot create files.
    ///
    /// Ids in other blocks do not count: a text, a citation or an answer of the caller's own server may mention any id.
    fn files(block: &[u8]) -> Option<Self> {
        if memmem::find(block, b"_code_execution_tool_result\"").is_none()
            && memmem::find(block, b"\"code_execution_tool_result\"").is_none()
        {
            return None;
        }
        let (mut makes, mut content) = (false, None);
        let _ = members(block, |name, found| {
            match name {
                "type" => {
                    let kind = found.string().ok().flatten();
                    makes = kind.is_some_and(|kind| MAKERS.contains(&&*kind));
                }
                "content" => content = Some(found.text),
                _ => {}
            }
            0
        });
        let mut files = Vec::new();
        each_named(content.filter(|_| makes)?, |named| {
            if named.depth == 2 && named.is("file_id") {
                files.extend(named.text().map(Into::into));
            }
            Inside::Wanted
        });
        (!files.is_empty()).then(|| Self {
            containers: Vec::new(),
            files,
        })
    }

    /// Adds the objects reported by another part of the answer.
    fn merge(made: &mut Option<Box<Self>>, more: Option<Self>) {
        let Some(more) = more else {
            return;
        };
        let made = made.get_or_insert_default();
        made.containers.extend(more.containers);
        made.files.extend(more.files);
    }
}

// === impl Meter ===

impl Meter {
    /// Creates a meter of an event stream.
    pub fn sse() -> Self {
        Self {
            kind: Kind::Sse(Box::default()),
        }
    }

    /// Creates a meter of an event stream that skips events of more than `limit` bytes.
    pub fn sse_with_limit(limit: usize) -> Self {
        Self {
            kind: Kind::Sse(Box::new(Stream::with_limit(limit))),
        }
    }

    /// Creates a meter of a JSON answer. It keeps the structure and the beginnings of strings, up to 1 MiB.
    pub fn json() -> Self {
        Self {
            kind: Kind::Json(Box::default()),
        }
    }

    /// Creates a meter of a batch's results, each priced by this book.
    pub fn results(book: Arc<PriceBook>) -> Self {
        Self {
            kind: Kind::Results(Box::new(Results::new(book))),
        }
    }

    /// Creates a meter of a body that cannot be read, such as a compressed one.
    pub fn opaque() -> Self {
        Self { kind: Kind::Opaque }
    }

    /// Reads the next chunk.
    pub fn feed(&mut self, chunk: &[u8]) {
        match &mut self.kind {
            Kind::Sse(stream) => stream.feed(chunk),
            Kind::Json(answer) => answer.feed(chunk),
            Kind::Results(results) => results.feed(chunk),
            Kind::Opaque => {}
        }
    }

    /// Returns the facts known so far.
    pub fn reading(&self) -> Reading {
        match &self.kind {
            Kind::Sse(stream) => stream.reading(),
            Kind::Json(answer) => answer.reading(),
            Kind::Results(results) => Reading::of_batch(results.totals().clone()),
            Kind::Opaque => Reading::default(),
        }
    }

    /// Returns the facts known at the end of the answer, complete or cut.
    pub fn finish(self) -> Reading {
        match self.kind {
            Kind::Sse(stream) => stream.finish(),
            Kind::Json(answer) => answer.finish(),
            Kind::Results(results) => Reading::of_batch(results.finish()),
            Kind::Opaque => Reading::default(),
        }
    }

    /// Returns the output tokens so far, reported or estimated, without building a reading, for extensions of a hold during
    /// the stream. Never decreases.
    pub fn output_so_far(&self) -> u64 {
        match &self.kind {
            Kind::Sse(stream) => stream.output_so_far(),
            Kind::Json(answer) => answer.output_so_far(),
            Kind::Results(_) | Kind::Opaque => 0,
        }
    }

    /// Returns the reported tokens of the prompt, or 0 before they are reported.
    pub fn prompt_so_far(&self) -> u64 {
        match &self.kind {
            Kind::Sse(stream) => stream.prompt_so_far(),
            Kind::Json(_) | Kind::Results(_) | Kind::Opaque => 0,
        }
    }

    /// Returns the place in the events of a stream, or `None` for any other answer.
    pub fn place(&self) -> Option<Place> {
        match &self.kind {
            Kind::Sse(stream) => Some(stream.place()),
            Kind::Json(_) | Kind::Results(_) | Kind::Opaque => None,
        }
    }

    /// Returns true once a stream has reported the reason for its end: what follows costs nothing more.
    pub fn has_stopped(&self) -> bool {
        matches!(&self.kind, Kind::Sse(stream) if stream.has_stopped())
    }

    /// Returns true once the first `content_block_…` event has passed.
    pub fn content_started(&self) -> bool {
        matches!(&self.kind, Kind::Sse(stream) if stream.content_started())
    }

    /// Returns the error that the stream has reported so far.
    pub fn error(&self) -> Option<&ErrorReport> {
        match &self.kind {
            Kind::Sse(stream) => stream.error(),
            Kind::Json(_) | Kind::Results(_) | Kind::Opaque => None,
        }
    }

    /// Returns the objects reported as created since the last call. A JSON answer reports them once it is whole.
    pub fn take_made(&mut self) -> Option<Made> {
        match &mut self.kind {
            Kind::Sse(stream) => stream.take_made(),
            Kind::Json(answer) => answer.take_made(),
            Kind::Results(_) | Kind::Opaque => None,
        }
    }

    /// Returns true if an event may be inserted here, between two events of the stream.
    pub fn at_boundary(&self) -> bool {
        matches!(&self.kind, Kind::Sse(stream) if stream.at_boundary())
    }
}

// === impl Reading ===

impl Reading {
    fn of_batch(totals: Totals) -> Self {
        Self {
            batch: Some(Box::new(totals)),
            ..Self::default()
        }
    }
}
