//! The meter of an event stream.

use memchr::memmem;

use super::{BYTES_PER_TOKEN, Made, Reading, Source};
use crate::error::ErrorReport;
use crate::json::{Found, Kind, Scanner, Unreadable, Walk, members, put};
use crate::sse::{Event, Frame, Framer, Place};
use crate::usage;

/// The facts that a stream has reported so far.
#[derive(Debug, Default)]
pub(super) struct Stream {
    framer: Framer,
    told: Told,
}

#[derive(Debug, Default)]
struct Told {
    reading: Reading,
    output: Output,
    /// Bytes of content in the deltas since the last reported count.
    delivered: u64,
    /// The largest output count so far.
    high_water: u64,
    made: Option<Box<Made>>,
}

/// The output count that the stream has reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Output {
    #[default]
    Nothing,
    /// `message_start` has arrived, whose `output_tokens` is a placeholder.
    Placeholder,
    /// A `message_delta` has reported a cumulative count.
    Counted,
}

/// The usage in an event.
struct UsageTold {
    output: usage::Output,
    /// Number of values that could not be read.
    unread: u64,
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

    pub(super) fn prompt_so_far(&self) -> u64 {
        self.told.reading.usage.tokens.prompt()
    }

    pub(super) fn place(&self) -> Place {
        self.framer.place()
    }

    pub(super) fn has_stopped(&self) -> bool {
        let reading = &self.told.reading;
        reading.stop_reason.is_some() || reading.ended || reading.error.is_some()
    }

    pub(super) fn content_started(&self) -> bool {
        self.told.reading.content_started
    }

    pub(super) fn error(&self) -> Option<&ErrorReport> {
        self.told.reading.error.as_ref()
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
            // Only content events are this large.
            Frame::Oversized(bytes) => {
                self.deliver(bytes);
                self.reading.passed_over += 1;
            }
        }
    }

    /// Reads an event. Returns `None` if it should have been readable and was not.
    fn event(&mut self, kind: &[u8], event: Event<'_>) -> Option<()> {
        match kind {
            b"content_block_delta" => {
                self.reading.content_started = true;
                self.deliver(content_length(event.data));
            }
            b"content_block_start" => {
                self.reading.content_started = true;
                // Tool results arrive whole in the start of their block.
                if memmem::find(event.data, b"\"file_id\"").is_some() {
                    let _ = members(event.data, |name, found| {
                        if name == "content_block" {
                            Made::merge(&mut self.made, Made::files(found.text));
                        }
                        0
                    });
                }
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
        let (mut seen, mut metered) = (false, false);
        let read = members(data, |name, found| match name {
            "message" => {
                seen = found.kind == Kind::Object;
                found.object(|name, found| match name {
                    "model" => self.model(found),
                    "id" => {
                        // A malformed one is ignored.
                        put(&mut self.reading.message_id, text(found));
                        0
                    }
                    "usage" => {
                        metered = found.kind != Kind::Null;
                        self.usage(found).unread
                    }
                    "container" => self.ran_in(found),
                    _ => 0,
                })
            }
            _ => 0,
        });
        if seen && self.output == Output::Nothing {
            self.output = Output::Placeholder;
        }
        (metered && read == Ok(0)).then_some(())
    }

    fn delta(&mut self, data: &[u8]) -> Option<()> {
        let mut counted = false;
        let before = self.estimate();
        let read = members(data, |name, found| match name {
            "delta" => found.object(|name, found| match name {
                "stop_reason" => self.stop_reason(found),
                "container" => self.ran_in(found),
                _ => 0,
            }),
            "usage" => {
                let told = self.usage(found);
                counted |= told.output == usage::Output::Said;
                told.unread
            }
            _ => 0,
        });
        if counted {
            self.high_water = self.high_water.max(before);
            self.output = Output::Counted;
            self.delivered = 0;
        }
        (read == Ok(0)).then_some(())
    }

    fn usage(&mut self, found: Found<'_>) -> UsageTold {
        let usage = &mut self.reading.usage;
        let before = usage.unread;
        let output = match found.kind {
            Kind::Null => usage::Output::NotSaid,
            _ => usage.overwrite(found.text).unwrap_or_else(|said| said),
        };
        UsageTold {
            output,
            unread: usage.unread - before,
        }
    }

    fn model(&mut self, found: Found<'_>) -> u64 {
        put(&mut self.reading.model, text(found))
    }

    fn stop_reason(&mut self, found: Found<'_>) -> u64 {
        put(&mut self.reading.stop_reason, text(found))
    }

    /// Records the reported container if it is a new one.
    fn ran_in(&mut self, found: Found<'_>) -> u64 {
        let container = std::str::from_utf8(found.text).ok();
        let made = container.and_then(Made::container);
        let Some(made) = made else {
            return 0;
        };
        let id = made.containers.last().cloned();
        if id != self.reading.container {
            self.reading.container = id;
            Made::merge(&mut self.made, Some(made));
        }
        0
    }

    fn deliver(&mut self, bytes: usize) {
        self.delivered = self
            .delivered
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Returns the last count plus an estimate of the content delivered since.
    fn estimate(&self) -> u64 {
        let counted = match self.output {
            Output::Counted => self.reading.usage.tokens.output,
            Output::Nothing | Output::Placeholder => 0,
        };
        counted.saturating_add(self.delivered.div_ceil(BYTES_PER_TOKEN))
    }

    /// Determines the origin of the numbers, and replaces missing ones by an estimate.
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

/// Reads a string into an optional field.
fn text(found: Found<'_>) -> Result<Option<Option<String>>, Unreadable> {
    let text = found.string()?;
    Ok(text.map(|text| Some(text.into_owned())))
}

/// Returns the `type` of an event without a name.
fn kind_in(data: &[u8]) -> &[u8] {
    let Ok(mut walk) = Walk::new(data, Scanner::Fastest) else {
        return b"";
    };
    while let Ok(Some(step)) = walk.step() {
        if step.name.of(data) == b"type" && step.value.kind == Kind::String {
            return step.value.span.unquoted().of(data);
        }
    }
    b""
}

/// Returns the bytes of content in a `content_block_delta` without parsing it: the string after the delta's type, or, for
/// other spellings than the API's, everything but the usual envelope.
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
    // The delta's type, then the name of its text, neither of which has escapes.
    let rest = rest
        .get(rest.iter().position(|byte| *byte == b'"')?..)?
        .strip_prefix(b"\",\"")?;
    let rest = rest
        .get(rest.iter().position(|byte| *byte == b'"')?..)?
        .strip_prefix(b"\":\"")?;
    rest.strip_suffix(b"\"}}")
}
