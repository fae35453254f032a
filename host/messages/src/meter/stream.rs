//! The meter of an event stream.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{BYTES_PER_TOKEN, Made, Reading, Source};
use crate::error::ErrorReport;
use crate::json::{Kind, Scanner, Walk};
use crate::sse::{Event, Frame, Framer};
use crate::usage::WireUsage;

/// What a stream has told so far.
#[derive(Debug, Default)]
pub(super) struct Stream {
    framer: Framer,
    told: Told,
}

#[derive(Debug, Default)]
struct Told {
    reading: Reading,
    output: Output,
    /// Bytes of content in the deltas that passed since the last count.
    delivered: u64,
    /// The most that was said of the output so far.
    high_water: u64,
    made: Option<Box<Made>>,
}

/// What the stream has said of its output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Output {
    #[default]
    Nothing,
    /// `message_start` came: its `output_tokens` is a placeholder.
    Placeholder,
    /// A `message_delta` has given a cumulative count.
    Counted,
}

#[derive(Deserialize)]
struct Start<'a> {
    #[serde(borrow)]
    message: Message<'a>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(default)]
    model: Option<String>,
    #[serde(default, borrow)]
    usage: Option<&'a RawValue>,
    #[serde(default, borrow)]
    container: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(default, borrow)]
    delta: Option<Stop<'a>>,
    #[serde(default, borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Stop<'a> {
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default, borrow)]
    container: Option<&'a RawValue>,
}

// === impl Stream ===

impl Stream {
    pub(super) fn with_limit(limit: usize) -> Self {
        Self {
            framer: Framer::with_limit(limit),
            told: Told::default(),
        }
    }

    pub(super) fn feed(&mut self, chunk: &[u8]) {
        let told = &mut self.told;
        self.framer.feed(chunk, |frame| told.frame(frame));
    }

    pub(super) fn reading(&self) -> Reading {
        let mut reading = self.told.reading.clone();
        self.told.judge(&mut reading, self.told.estimate());
        reading
    }

    pub(super) fn finish(mut self) -> Reading {
        let estimate = self.told.estimate();
        let mut reading = std::mem::take(&mut self.told.reading);
        self.told.judge(&mut reading, estimate);
        reading
    }

    pub(super) fn output_so_far(&self) -> u64 {
        self.told.estimate().max(self.told.high_water)
    }

    pub(super) fn content_started(&self) -> bool {
        self.told.reading.content_started
    }

    pub(super) fn ended(&self) -> bool {
        self.told.reading.ended
    }

    pub(super) fn error(&self) -> Option<&ErrorReport> {
        self.told.reading.error.as_ref()
    }

    pub(super) fn container(&self) -> Option<&str> {
        self.told.reading.container.as_deref()
    }

    pub(super) fn take_made(&mut self) -> Option<Made> {
        self.told.made.take().map(|made| *made)
    }

    pub(super) fn at_boundary(&self) -> bool {
        self.framer.at_boundary()
    }
}

// === impl Told ===

impl Told {
    fn frame(&mut self, frame: Frame<'_>) {
        self.reading.events += 1;
        match frame {
            Frame::Event(event) => {
                let read = match event.name {
                    b"" => self.event(kind_in(event.data), event),
                    name => self.event(name, event),
                };
                self.reading.passed_over += u64::from(read.is_none());
            }
            // What is this large is content: nothing else in a stream is.
            Frame::Oversized(bytes) => {
                self.deliver(bytes);
                self.reading.passed_over += 1;
            }
        }
    }

    /// None when the event should have been read and could not be.
    fn event(&mut self, kind: &[u8], event: Event<'_>) -> Option<()> {
        match kind {
            b"content_block_delta" => {
                self.reading.content_started = true;
                self.deliver(content_length(event.data));
            }
            b"content_block_start" => {
                self.reading.content_started = true;
                // Results of tools come whole in the start of their block.
                Made::merge(&mut self.made, Made::of(event.data, None));
            }
            b"content_block_stop" => self.reading.content_started = true,
            b"message_start" => self.start(event.data)?,
            b"message_delta" => self.delta(event.data)?,
            b"message_stop" => self.reading.ended = true,
            b"error" => self.reading.error = Some(ErrorReport::read(event.data)?),
            _ => {}
        }
        Some(())
    }

    fn start(&mut self, data: &[u8]) -> Option<()> {
        let Start { message } = serde_json::from_slice(data).ok()?;
        self.reading.model = message.model;
        self.ran_in(message.container);
        if self.output == Output::Nothing {
            self.output = Output::Placeholder;
        }
        let usage: WireUsage = serde_json::from_str(message.usage?.get()).ok()?;
        usage.overwrite(&mut self.reading.usage);
        Some(())
    }

    fn delta(&mut self, data: &[u8]) -> Option<()> {
        let Delta { delta, usage } = serde_json::from_slice(data).ok()?;
        if let Some(delta) = delta {
            self.ran_in(delta.container);
            self.reading.stop_reason = delta.stop_reason.or(self.reading.stop_reason.take());
        }
        let Some(usage) = usage else {
            return Some(());
        };
        let usage: WireUsage = serde_json::from_str(usage.get()).ok()?;
        if usage.has_output() {
            self.high_water = self.high_water.max(self.estimate());
            self.output = Output::Counted;
            self.delivered = 0;
        }
        usage.overwrite(&mut self.reading.usage);
        Some(())
    }

    /// Notes the container that was reported, if it is a new one.
    fn ran_in(&mut self, container: Option<&RawValue>) {
        let made = container.and_then(|container| Made::of(b"", Some(container.get())));
        let Some(made) = made else {
            return;
        };
        let id = made.containers.last().cloned();
        if id != self.reading.container {
            self.reading.container = id;
            Made::merge(&mut self.made, Some(made));
        }
    }

    fn deliver(&mut self, bytes: usize) {
        self.delivered = self
            .delivered
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// The last count, and what was delivered since.
    fn estimate(&self) -> u64 {
        let counted = match self.output {
            Output::Counted => self.reading.usage.tokens.output,
            Output::Nothing | Output::Placeholder => 0,
        };
        counted.saturating_add(self.delivered.div_ceil(BYTES_PER_TOKEN))
    }

    /// Says where the numbers come from, and puts an estimate where there are none.
    fn judge(&self, reading: &mut Reading, estimate: u64) {
        reading.source = match (self.output, reading.ended) {
            (Output::Counted, true) => Source::Reported,
            (Output::Counted, false) if self.delivered == 0 => Source::Partial,
            (Output::Nothing, _) if self.delivered == 0 => Source::None,
            (Output::Nothing | Output::Placeholder | Output::Counted, _) => {
                reading.usage.tokens.output = estimate;
                Source::Estimated
            }
        };
    }
}

/// The `type` of an event that has no name.
fn kind_in(data: &[u8]) -> &[u8] {
    let Ok(mut walk) = Walk::new(data, Scanner::Fastest) else {
        return b"";
    };
    while let Ok(Some(step)) = walk.step() {
        if step.name.of(data) == b"type" && step.value.kind == Kind::String {
            let quoted = step.value.span.of(data);
            return quoted.get(1..quoted.len() - 1).unwrap_or_default();
        }
    }
    b""
}

/// Bytes of content in a `content_block_delta`, without parsing it: what stands in the string after the delta's type,
/// or, in a spelling that is not the API's, all but the usual envelope.
fn content_length(data: &[u8]) -> usize {
    /// `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}`
    const ENVELOPE: usize = 81;
    content(data).map_or(data.len().saturating_sub(ENVELOPE), <[u8]>::len)
}

fn content(data: &[u8]) -> Option<&[u8]> {
    let rest = data.strip_prefix(b"{\"type\":\"content_block_delta\",\"index\":")?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let rest = rest
        .get(digits..)?
        .strip_prefix(b",\"delta\":{\"type\":\"")?;
    // The delta's type, then the name of its text; neither has escapes.
    let rest = rest
        .get(rest.iter().position(|byte| *byte == b'"')?..)?
        .strip_prefix(b"\",\"")?;
    let rest = rest
        .get(rest.iter().position(|byte| *byte == b'"')?..)?
        .strip_prefix(b"\":\"")?;
    rest.strip_suffix(b"\"}}")
}
