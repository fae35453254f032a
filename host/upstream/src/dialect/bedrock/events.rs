//! Streams: frames become events, and what goes wrong in them an event that ends the stream.

use witgate_bedrock::Decoder;
use witgate_bedrock::stream::{BadStream, SSE_CONTENT_TYPE};
use witgate_messages::error::{self, ErrorType};

use crate::dialect::decode::{Decode, Figures, Progress};

/// The translation of one stream.
pub(super) struct Events {
    decoder: Decoder,
    upstream: String,
    model: String,
}

// === impl Events ===

impl Events {
    pub(super) fn new(upstream: &str, model: &str) -> Self {
        Self {
            decoder: Decoder::new(),
            upstream: upstream.to_owned(),
            model: model.to_owned(),
        }
    }

    /// Appends the event that tells of a damaged stream.
    fn damaged(&self, bad: &BadStream, out: &mut Vec<u8>) -> Progress {
        let (upstream, model) = (&self.upstream, &self.model);
        tracing::warn!(upstream, model, error = %bad, "a stream could not be read");
        let message =
            format!("the upstream {upstream} sent a damaged stream: {bad}; send the request again");
        out.extend_from_slice(&error::sse_event(&ErrorType::Api, &message, None));
        Progress::Over
    }
}

impl Decode for Events {
    fn content_type(&self) -> &'static str {
        SSE_CONTENT_TYPE
    }

    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Progress {
        match self.decoder.push(piece, out) {
            Ok(()) if self.decoder.fault().is_some() => Progress::Over,
            Ok(()) => Progress::Open,
            Err(bad) => self.damaged(&bad, out),
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if let Err(bad) = self.decoder.end() {
            self.damaged(&bad, out);
        }
    }

    fn figures(&self) -> Figures {
        let metrics = self.decoder.metrics();
        Figures {
            latency_ms: metrics.and_then(|metrics| metrics.invocation_latency),
            first_byte_ms: metrics.and_then(|metrics| metrics.first_byte_latency),
        }
    }
}
