//! Metering of a response in any content coding, alongside the stream.
//!
//! Bytes pass unchanged; only a copy is decoded, chunk by chunk, for the meter. If the coding is not supported, or the stream
//! is not in the coding that it claims, the usage stays unknown and the response is not affected.

use std::io::{self, Write};
use std::sync::Arc;

use witgate_http::Headers;
use witgate_messages::error::ErrorReport;
use witgate_messages::meter::{Made, Meter, Reading};
use witgate_messages::price::PriceBook;
use witgate_messages::sse::Place;

use crate::exchange::coding::{Coding, Decoder};

/// Maximum decoded bytes of one response. Beyond it the bytes are no answer of a model.
const MAX_DECODED_BYTES: usize = 256 << 20;

/// A meter of a response in any content coding.
pub(crate) struct Metering {
    path: Path,
}

enum Path {
    Plain(Meter),
    Coded(Box<dyn Decoder<Decoded>>),
    /// The meter up to the point at which decoding failed.
    Failed(Meter),
}

/// The target of decoded bytes.
struct Decoded {
    meter: Meter,
    left: usize,
}

/// Returns whether the headers say that the body is an event stream.
pub(crate) fn is_event_stream(headers: &Headers) -> bool {
    let kind = headers.get("content-type");
    let kind = kind.and_then(|value| value.to_str()?.trim().get(..17));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("text/event-stream"))
}

// === impl Metering ===

impl Metering {
    /// Creates a meter for a response with these headers.
    pub(crate) fn of(headers: &Headers) -> Self {
        let meter = if is_event_stream(headers) {
            Meter::sse()
        } else {
            Meter::json()
        };
        Self::through(headers, meter)
    }

    /// Creates a meter for the results of a batch.
    pub(crate) fn of_results(headers: &Headers, prices: &Arc<PriceBook>) -> Self {
        Self::through(headers, Meter::results(Arc::clone(prices)))
    }

    /// Returns a meter behind the decoder for the coding in the headers.
    fn through(headers: &Headers, meter: Meter) -> Self {
        let path = match Coding::parse(headers.get("content-encoding")) {
            Ok(None) => Path::Plain(meter),
            Ok(Some(coding)) => {
                let left = MAX_DECODED_BYTES;
                match coding.decoder(Decoded { meter, left }) {
                    Ok(decoder) => Path::Coded(decoder),
                    Err(_) => Path::Failed(Meter::opaque()),
                }
            }
            Err(_) => Path::Plain(Meter::opaque()),
        };
        Self { path }
    }

    /// Meters bytes on their way to the client.
    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        match &mut self.path {
            Path::Plain(meter) => meter.feed(chunk),
            Path::Coded(decoder) => {
                // Flushed after each chunk, because an event must not wait for the next one.
                let fed = decoder.write_all(chunk).and_then(|()| decoder.flush());
                if let Err(error) = fed {
                    tracing::warn!(%error, "could not decode a response for metering; it passes unchanged");
                    self.path = Path::Failed(self.take_meter());
                }
            }
            Path::Failed(_) => {}
        }
    }

    /// Returns the error that the stream has reported so far, if any.
    pub(crate) fn error(&self) -> Option<&ErrorReport> {
        self.meter().error()
    }

    fn meter(&self) -> &Meter {
        match &self.path {
            Path::Plain(meter) | Path::Failed(meter) => meter,
            Path::Coded(decoder) => &decoder.target().meter,
        }
    }

    /// Returns true once content has begun.
    pub(crate) fn content_started(&self) -> bool {
        self.meter().content_started()
    }

    /// Returns the output tokens so far, reported or estimated.
    pub(crate) fn output_so_far(&self) -> u64 {
        self.meter().output_so_far()
    }

    /// Returns the reported tokens of the prompt, or 0 before they are reported.
    pub(crate) fn prompt_so_far(&self) -> u64 {
        self.meter().prompt_so_far()
    }

    /// Returns the place in the events of an uncompressed stream, or `None` for any other answer.
    pub(crate) fn place(&self) -> Option<Place> {
        match &self.path {
            Path::Plain(meter) => meter.place(),
            Path::Coded(_) | Path::Failed(_) => None,
        }
    }

    /// Returns true once a stream has reported the reason for its end.
    pub(crate) fn has_stopped(&self) -> bool {
        self.meter().has_stopped()
    }

    /// Returns the facts known so far.
    pub(crate) fn reading(&self) -> Reading {
        self.meter().reading()
    }

    /// Returns true if an event may be inserted here: the stream is uncompressed and between two events.
    pub(crate) fn is_between_events(&self) -> bool {
        match &self.path {
            Path::Plain(meter) => meter.at_boundary(),
            _ => false,
        }
    }

    /// Returns the facts known at the end of the response.
    pub(crate) fn finish(mut self) -> Reading {
        self.take_meter().finish()
    }

    /// Returns the objects that the response reports to have created since the last call.
    pub(crate) fn take_made(&mut self) -> Option<Made> {
        self.meter_mut().take_made()
    }

    /// Takes out the meter.
    fn take_meter(&mut self) -> Meter {
        std::mem::replace(self.meter_mut(), Meter::opaque())
    }

    fn meter_mut(&mut self) -> &mut Meter {
        match &mut self.path {
            Path::Plain(meter) | Path::Failed(meter) => meter,
            Path::Coded(decoder) => &mut decoder.target_mut().meter,
        }
    }
}

// === impl Decoded ===

impl Write for Decoded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self
            .left
            .checked_sub(bytes.len())
            .ok_or_else(|| io::Error::other("decodes to more than a response may have"))?;
        self.meter.feed(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use witgate_messages::meter::Source;

    use super::*;

    const STREAM: &str = concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",",
        "\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},",
        "\"usage\":{\"output_tokens\":9}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );

    fn headers(coding: &'static str) -> Headers {
        let mut headers = Headers::default();
        headers.push_text("content-type", "text/event-stream; charset=utf-8");
        headers.push_text("content-encoding", coding);
        headers
    }

    fn encoded(coding: &str) -> Vec<u8> {
        let text = STREAM.as_bytes();
        match coding {
            "gzip" => {
                let mut encoder =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            "deflate" => {
                let mut encoder =
                    flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            "br" => {
                let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 3, 20);
                encoder.write_all(text).unwrap();
                encoder.into_inner()
            }
            "zstd" => zstd::encode_all(text, 1).unwrap(),
            _ => text.to_vec(),
        }
    }

    #[test]
    fn every_coding_gives_the_same_usage_however_it_is_cut() {
        for coding in ["identity", "gzip", "deflate", "br", "zstd"] {
            let bytes = encoded(coding);
            for size in [1, 3, 64, bytes.len()] {
                let mut metering = Metering::of(&headers(coding));
                bytes.chunks(size).for_each(|chunk| metering.feed(chunk));
                let reading = metering.finish();
                assert_eq!(
                    reading.source,
                    Source::Reported,
                    "{coding} in pieces of {size}"
                );
                let tokens = reading.usage.tokens;
                assert_eq!(
                    (tokens.input, tokens.output),
                    (7, 9),
                    "{coding} in pieces of {size}"
                );
            }
        }
    }

    #[test]
    fn a_stream_that_is_not_what_it_claims_leaves_the_usage_unknown() {
        for coding in ["gzip", "deflate", "br", "zstd", "pack200"] {
            let mut metering = Metering::of(&headers(coding));
            STREAM
                .as_bytes()
                .chunks(16)
                .for_each(|chunk| metering.feed(chunk));
            assert_eq!(metering.finish().source, Source::None, "{coding}");
        }
    }
}
