//! What an answer used, read beside the bytes as they pass.
//!
//! A meter is fed the chunks of a response body and never changes, holds up or fails them. Of a stream only
//! `message_start`, `message_delta` and `error` events are parsed; all others are recognised by their name and cost no
//! allocation. At any moment, cut streams included, [`Meter::reading`] says what is known and how well it is known.

mod answer;
mod stream;

use std::sync::Arc;

use memchr::memmem;

use crate::batch::{Results, Totals};
use crate::error::ErrorReport;
use crate::json::{Inside, each_named, members};
use crate::price::PriceBook;
use crate::references::References;
use crate::usage::Usage;
use answer::Answer;
use stream::Stream;

/// Bytes of delivered content that count as a token while the upstream has not said how many there were. JSON text
/// of English and code comes to about this many.
pub const BYTES_PER_TOKEN: u64 = 4;

/// Reads one response body.
#[derive(Debug)]
pub struct Meter {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Sse(Box<Stream>),
    Json(Answer),
    Results(Box<Results>),
    Opaque,
}

/// What is known about an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// What it used; how well that is known is in `source`.
    pub usage: Usage,
    /// Where the numbers come from.
    pub source: Source,
    /// The model that served it, as the upstream names it.
    pub model: Option<String>,
    /// The id that the upstream gave the message.
    pub message_id: Option<String>,
    /// Why it ended, when it said so.
    pub stop_reason: Option<String>,
    /// SSE events with data, unknown ones and pings included.
    pub events: u64,
    /// Events that could not be read: too large, or not of the expected shape.
    pub passed_over: u64,
    /// Whether content has begun: the first `content_block_…` event has passed, or a JSON answer has content.
    pub content_started: bool,
    /// Whether the answer is complete: `message_stop` has passed, or the JSON answer is whole.
    pub ended: bool,
    /// The error that the upstream reported, as an SSE event or as the body.
    pub error: Option<ErrorReport>,
    /// What the results of a batch came to, for an answer that is some. They are billed once, not with the answer, so
    /// its own numbers are none.
    pub batch: Option<Box<Totals>>,
    /// The container that the answer's tools ran in.
    pub container: Option<String>,
}

/// What an answer reports to have been made at the upstream, and who asked may use from then on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    /// Ids of containers.
    pub containers: Vec<String>,
    /// Ids of files that tools wrote.
    pub files: Vec<String>,
}

/// Content blocks whose tools make files: their results name them.
const MAKERS: [&str; 3] = [
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
];

/// How well the numbers of a [`Reading`] are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Source {
    /// The upstream reported them and the answer is complete.
    Reported,
    /// The upstream reported them, and the answer was cut there: they are its last cumulative numbers.
    Partial,
    /// The output is estimated from the bytes delivered, at [`BYTES_PER_TOKEN`], on top of the last cumulative number
    /// if one came. The prompt's numbers are the upstream's if `message_start` came, else zero.
    Estimated,
    /// Nothing is known, and nothing was delivered that could be counted.
    #[default]
    None,
}

// === impl Made ===

impl Made {
    /// The container of this JSON text; nothing where it names none.
    fn container(json: &str) -> Option<Self> {
        let mut named = References::default();
        named.add_container_value(json);
        let containers = named.take_containers();
        (!containers.is_empty()).then(|| Self {
            containers,
            files: Vec::new(),
        })
    }

    /// The files that a content block of an answer reports to have made; nothing where it is none that can.
    ///
    /// Ids that other blocks mention make nothing: a text, a citation or what a server of the caller's own has answered may
    /// mention any id.
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

    /// Adds what another part of the answer reported.
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
    /// A meter for an event stream.
    pub fn sse() -> Self {
        Self {
            kind: Kind::Sse(Box::default()),
        }
    }

    /// A meter for an event stream that passes over events of more than `limit` bytes.
    pub fn sse_with_limit(limit: usize) -> Self {
        Self {
            kind: Kind::Sse(Box::new(Stream::with_limit(limit))),
        }
    }

    /// A meter for a JSON answer. It keeps its structure and the beginnings of its texts, up to 1 MiB.
    pub fn json() -> Self {
        Self {
            kind: Kind::Json(Answer::default()),
        }
    }

    /// A meter for the results of a batch, each priced by this book.
    pub fn results(book: Arc<PriceBook>) -> Self {
        Self {
            kind: Kind::Results(Box::new(Results::new(book))),
        }
    }

    /// A meter for a body that can't be read, such as a compressed one.
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

    /// What is known so far.
    pub fn reading(&self) -> Reading {
        match &self.kind {
            Kind::Sse(stream) => stream.reading(),
            Kind::Json(answer) => answer.reading(),
            Kind::Results(results) => Reading::of_batch(results.totals().clone()),
            Kind::Opaque => Reading::default(),
        }
    }

    /// What is known at the end, whether the answer is complete or cut.
    pub fn finish(self) -> Reading {
        match self.kind {
            Kind::Sse(stream) => stream.finish(),
            Kind::Json(answer) => answer.reading(),
            Kind::Results(results) => Reading::of_batch(results.finish()),
            Kind::Opaque => Reading::default(),
        }
    }

    /// Output tokens so far, reported or estimated, without building a reading: for whoever extends a hold as the
    /// stream goes on. Never falls.
    pub fn output_so_far(&self) -> u64 {
        match &self.kind {
            Kind::Sse(stream) => stream.output_so_far(),
            Kind::Json(answer) => answer.output_so_far(),
            Kind::Results(_) | Kind::Opaque => 0,
        }
    }

    /// Whether the first `content_block_…` event has passed.
    pub fn content_started(&self) -> bool {
        matches!(&self.kind, Kind::Sse(stream) if stream.content_started())
    }

    /// Whether the stream has had its `message_stop`.
    pub fn ended(&self) -> bool {
        matches!(&self.kind, Kind::Sse(stream) if stream.ended())
    }

    /// The error that the stream has reported so far.
    pub fn error(&self) -> Option<&ErrorReport> {
        match &self.kind {
            Kind::Sse(stream) => stream.error(),
            Kind::Json(_) | Kind::Results(_) | Kind::Opaque => None,
        }
    }

    /// The container that the answer has reported so far.
    pub fn container(&self) -> Option<&str> {
        match &self.kind {
            Kind::Sse(stream) => stream.container(),
            Kind::Json(answer) => answer.container(),
            Kind::Results(_) | Kind::Opaque => None,
        }
    }

    /// What was reported as made since the last call. A JSON answer reports it once it is whole.
    pub fn take_made(&mut self) -> Option<Made> {
        match &mut self.kind {
            Kind::Sse(stream) => stream.take_made(),
            Kind::Json(answer) => answer.take_made(),
            Kind::Results(_) | Kind::Opaque => None,
        }
    }

    /// Whether an own event may be put in here: the stream stands between two events.
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
