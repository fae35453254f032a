//! What an answer used, read beside the bytes as they pass.
//!
//! A meter is fed the chunks of a response body and never changes, holds up or fails them. Of a stream only
//! `message_start`, `message_delta` and `error` events are parsed; all others are recognised by their name and cost no
//! allocation. At any moment, cut streams included, [`Meter::reading`] says what is known and how well it is known.

mod answer;
mod stream;

use crate::error::ErrorReport;
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
}

/// How well the numbers of a [`Reading`] are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Source {
    /// The upstream reported them and the answer is complete.
    Reported,
    /// The upstream reported them, and the answer was cut after that: they are its last cumulative numbers.
    Partial,
    /// The output is estimated from the bytes delivered, at [`BYTES_PER_TOKEN`]. The prompt's numbers are the
    /// upstream's if `message_start` came, else zero.
    Estimated,
    /// Nothing is known, and nothing was delivered that could be counted.
    #[default]
    None,
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

    /// A meter for a JSON answer. It keeps a copy of up to 32 MiB of it.
    pub fn json() -> Self {
        Self {
            kind: Kind::Json(Answer::default()),
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
            Kind::Opaque => {}
        }
    }

    /// What is known so far.
    pub fn reading(&self) -> Reading {
        match &self.kind {
            Kind::Sse(stream) => stream.reading(),
            Kind::Json(answer) => answer.reading(),
            Kind::Opaque => Reading::default(),
        }
    }

    /// What is known at the end, whether the answer is complete or cut.
    pub fn finish(self) -> Reading {
        match self.kind {
            Kind::Sse(stream) => stream.finish(),
            Kind::Json(answer) => answer.reading(),
            Kind::Opaque => Reading::default(),
        }
    }

    /// Output tokens so far, reported or estimated, without building a reading: for whoever extends a hold as the
    /// stream goes on. Never falls.
    pub fn output_so_far(&self) -> u64 {
        match &self.kind {
            Kind::Sse(stream) => stream.output_so_far(),
            Kind::Json(answer) => answer.output_so_far(),
            Kind::Opaque => 0,
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
            Kind::Json(_) | Kind::Opaque => None,
        }
    }

    /// Whether an own event may be put in here: the stream stands between two events.
    pub fn at_boundary(&self) -> bool {
        matches!(&self.kind, Kind::Sse(stream) if stream.at_boundary())
    }
}
