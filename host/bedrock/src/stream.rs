//! Streams of Bedrock as the API's event streams.
//!
//! A frame `chunk` carries an event of the API in Base64, and becomes the text that the API sends: `event: TYPE`, `data: JSON`, an
//! empty line. The JSON keeps its bytes, but for line ends between its tokens, which become blanks, and for Bedrock's own figures
//! ([`Metrics`]) in the last event, which are taken out of it and given beside it. An exception becomes the API's `error` event and ends the
//! output.

mod metrics;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::Fault;
use crate::frame::{BadFrame, Frame, Frames};
use crate::json::{Pruned, Step, prune};

pub use metrics::Metrics;

/// The content type of a stream of Bedrock.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";
/// The content type of the API's streams.
pub const SSE_CONTENT_TYPE: &str = "text/event-stream; charset=utf-8";

/// The member of the last event with Bedrock's own figures.
const METRICS: &str = "amazon-bedrock-invocationMetrics";

/// A translator of a stream, independent of its chunks.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    frames: Frames,
    state: State,
}

/// The result of a stream so far.
#[derive(Debug, Clone, Default)]
struct State {
    metrics: Option<Metrics>,
    fault: Option<Fault>,
}

/// The error of a stream that cannot be translated. The upstream is at fault, or something on the way from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadStream {
    /// The frames are damaged.
    #[error("Amazon Bedrock's stream cannot be read: {0}")]
    Frame(#[from] BadFrame),
    /// The frame does not say its kind.
    #[error("Amazon Bedrock's stream cannot be read: a frame has no `:message-type` that is known")]
    Kind,
    /// The payload is no event.
    #[error("Amazon Bedrock's stream cannot be read: a chunk has {0}")]
    Payload(&'static str),
}

/// The payload of a chunk. Other members (`p`, padding that hides lengths) do not count.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    bytes: Cow<'a, str>,
}

/// An event, as far as it is read.
#[derive(Deserialize)]
struct Event<'a> {
    r#type: Option<Value>,
    #[serde(rename = "amazon-bedrock-invocationMetrics", borrow)]
    metrics: Option<&'a RawValue>,
}

// === impl Decoder ===

impl Decoder {
    /// Returns a translator with the usual limit of frames.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a translator with a limit of frames in bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            frames: Frames::with_limit(limit),
            state: State::default(),
        }
    }

    /// Reads a chunk and appends the API's text to `out`.
    ///
    /// # Errors
    /// [`BadStream`], after the text of the frames before it. The stream cannot be read on.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), BadStream> {
        let Self { frames, state } = self;
        frames.push(chunk, |frame| state.read(frame, out))
    }

    /// Checks that the stream may end here.
    ///
    /// # Errors
    /// [`BadStream`] within a frame.
    pub fn end(&self) -> Result<(), BadStream> {
        Ok(self.frames.end()?)
    }

    /// Returns Bedrock's own figures, once they were sent.
    pub fn metrics(&self) -> Option<&Metrics> {
        self.state.metrics.as_ref()
    }

    /// Returns the exception that ended the stream.
    pub fn fault(&self) -> Option<&Fault> {
        self.state.fault.as_ref()
    }
}

// === impl State ===

impl State {
    fn read(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<(), BadStream> {
        // Nothing follows an error in a stream of the API.
        if self.fault.is_some() {
            return Ok(());
        }
        let text = |name| frame.headers.text(name);
        let fault = match text(":message-type") {
            Some("event") if text(":event-type") == Some("chunk") => {
                return self.chunk(frame.payload, out);
            }
            // A kind of event that does not exist yet.
            Some("event") => return Ok(()),
            Some("exception") => {
                Fault::of_exception(text(":exception-type").unwrap_or_default(), frame.payload)
            }
            Some("error") => {
                let message = text(":error-message").unwrap_or_default().to_owned();
                Fault::named(text(":error-code").unwrap_or_default(), None, message)
            }
            _ => return Err(BadStream::Kind),
        };
        out.extend_from_slice(&fault.sse_event(None));
        self.fault = Some(fault);
        Ok(())
    }

    fn chunk(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), BadStream> {
        let Chunk { bytes } =
            serde_json::from_slice(payload).map_err(|_| BadStream::Payload("no `bytes`"))?;
        let data = STANDARD
            .decode(bytes.as_bytes())
            .map_err(|_| BadStream::Payload("`bytes` that are no Base64"))?;
        let event: Event<'_> =
            serde_json::from_slice(&data).map_err(|_| BadStream::Payload("no event in it"))?;
        // Figures in another form than today's are no reason to end a stream.
        let metrics = event
            .metrics
            .map(|figures| serde_json::from_str(figures.get()));
        let own = event.metrics.and_then(|_| without_metrics(&data));
        if let Some(Ok(metrics)) = metrics {
            self.metrics = Some(metrics);
        }
        // Keep-alives have no type, and no name in a stream of the API.
        let Some(Value::String(kind)) = event.r#type else {
            return Ok(());
        };
        if kind.contains(['\n', '\r']) {
            return Err(BadStream::Payload("a type of several lines"));
        }
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        // JSON has line ends between its tokens only.
        let blank = |byte| {
            if matches!(byte, b'\n' | b'\r') {
                b' '
            } else {
                byte
            }
        };
        let data = own.as_ref().map_or(&*data, String::as_bytes);
        out.extend(data.iter().copied().map(blank));
        out.extend_from_slice(b"\n\n");
        Ok(())
    }
}

/// Returns an event without Bedrock's own figures, which the API's has not.
fn without_metrics(data: &[u8]) -> Option<String> {
    let event = std::str::from_utf8(data).ok()?;
    match prune(event, &[Step::Member(METRICS)]) {
        Pruned::Without(event) => Some(event),
        Pruned::Same | Pruned::Empty => None,
    }
}

#[cfg(test)]
mod tests;
