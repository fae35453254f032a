//! The meter beside the stream: it reads what the client gets, through whatever coding that has.
//!
//! The bytes pass as they came; only a copy is decoded, chunk by chunk, and goes no further than the meter. A coding that
//! is not known, or a stream that is not in the coding that it claims, leaves the usage unknown, and the answer alone.

use std::io::{self, Write};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use witgate_messages::error::ErrorReport;
use witgate_messages::meter::{Made, Meter, Reading};
use witgate_messages::price::PriceBook;

use crate::exchange::receive::decode::ZSTD_WINDOW;

/// Most decoded bytes of one answer. What decodes to more is no answer of a model.
const DECODED: usize = 256 << 20;

/// A meter, and the way to it.
pub(crate) struct Metering {
    path: Path,
}

enum Path {
    Plain(Meter),
    Gzip(Box<flate2::write::MultiGzDecoder<Decoded>>),
    Deflate(Box<flate2::write::ZlibDecoder<Decoded>>),
    Brotli(Box<brotli::DecompressorWriter<Decoded>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Decoded>>),
    /// Decoding failed; what was metered until then.
    Failed(Meter),
}

/// Where decoded bytes go.
struct Decoded {
    meter: Meter,
    left: usize,
}

// === impl Metering ===

impl Metering {
    /// The meter for an answer with these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let meter = match text(headers, header::CONTENT_TYPE).get(..17) {
            Some(start) if start.eq_ignore_ascii_case("text/event-stream") => Meter::sse(),
            _ => Meter::json(),
        };
        Self::through(headers, meter)
    }

    /// The meter for the results of a batch.
    pub(crate) fn of_results(headers: &HeaderMap, prices: &Arc<PriceBook>) -> Self {
        Self::through(headers, Meter::results(Arc::clone(prices)))
    }

    /// The way to a meter through the coding that the headers name.
    fn through(headers: &HeaderMap, meter: Meter) -> Self {
        let decoded = |meter| Decoded {
            meter,
            left: DECODED,
        };
        let path = match text(headers, header::CONTENT_ENCODING)
            .trim()
            .to_ascii_lowercase()
            .as_str()
        {
            "" | "identity" => Path::Plain(meter),
            "gzip" | "x-gzip" => {
                Path::Gzip(Box::new(flate2::write::MultiGzDecoder::new(decoded(meter))))
            }
            "deflate" => Path::Deflate(Box::new(flate2::write::ZlibDecoder::new(decoded(meter)))),
            "br" => Path::Brotli(Box::new(brotli::DecompressorWriter::new(
                decoded(meter),
                16 * 1024,
            ))),
            "zstd" => match unpacking_zstd(decoded(meter)) {
                Ok(decoder) => Path::Zstd(Box::new(decoder)),
                Err(_) => Path::Failed(Meter::opaque()),
            },
            _ => Path::Plain(Meter::opaque()),
        };
        Self { path }
    }

    /// Meters bytes on their way to the client.
    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        let fed = match &mut self.path {
            Path::Plain(meter) => {
                meter.feed(chunk);
                Ok(())
            }
            Path::Gzip(decoder) => push(decoder.as_mut(), chunk),
            Path::Deflate(decoder) => push(decoder.as_mut(), chunk),
            Path::Brotli(decoder) => push(decoder.as_mut(), chunk),
            Path::Zstd(decoder) => push(decoder.as_mut(), chunk),
            Path::Failed(_) => Ok(()),
        };
        if let Err(error) = fed {
            tracing::warn!(%error, "an answer can't be decoded for the meter; it passes as it is");
            self.path = Path::Failed(self.take_meter());
        }
    }

    /// The error that the stream carried so far, if any.
    pub(crate) fn error(&self) -> Option<&ErrorReport> {
        self.meter().error()
    }

    fn meter(&self) -> &Meter {
        match &self.path {
            Path::Plain(meter) | Path::Failed(meter) => meter,
            Path::Gzip(decoder) => &decoder.get_ref().meter,
            Path::Deflate(decoder) => &decoder.get_ref().meter,
            Path::Brotli(decoder) => &decoder.get_ref().meter,
            Path::Zstd(decoder) => &decoder.get_ref().meter,
        }
    }

    /// Whether content has begun.
    pub(crate) fn content_started(&self) -> bool {
        self.meter().content_started()
    }

    /// Output tokens so far, as far as they are known or can be estimated.
    pub(crate) fn output_so_far(&self) -> u64 {
        self.meter().output_so_far()
    }

    /// What is known so far.
    pub(crate) fn reading(&self) -> Reading {
        self.meter().reading()
    }

    /// Whether an event may be put in here: a stream in no coding stands between two events.
    pub(crate) fn is_between_events(&self) -> bool {
        match &self.path {
            Path::Plain(meter) => meter.at_boundary(),
            _ => false,
        }
    }

    /// What the answer came to.
    pub(crate) fn finish(mut self) -> Reading {
        self.take_meter().finish()
    }

    /// What the answer says that it made at the upstream, each once.
    pub(crate) fn take_made(&mut self) -> Option<Made> {
        self.meter_mut().take_made()
    }

    /// Takes the meter out of whatever it is in.
    fn take_meter(&mut self) -> Meter {
        std::mem::replace(self.meter_mut(), Meter::opaque())
    }

    fn meter_mut(&mut self) -> &mut Meter {
        match &mut self.path {
            Path::Plain(meter) | Path::Failed(meter) => meter,
            Path::Gzip(decoder) => &mut decoder.get_mut().meter,
            Path::Deflate(decoder) => &mut decoder.get_mut().meter,
            Path::Brotli(decoder) => &mut decoder.get_mut().meter,
            Path::Zstd(decoder) => &mut decoder.get_mut().meter,
        }
    }
}

/// A decoder that keeps no more of a stream than its senders may ask for.
fn unpacking_zstd(decoded: Decoded) -> io::Result<zstd::stream::write::Decoder<'static, Decoded>> {
    let mut decoder = zstd::stream::write::Decoder::new(decoded)?;
    decoder.window_log_max(ZSTD_WINDOW)?;
    Ok(decoder)
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value: &HeaderValue| value.to_str().ok())
        .unwrap_or_default()
}

/// Decodes a chunk as far as it goes: an event must not wait for the chunk after it.
fn push(decoder: &mut impl Write, chunk: &[u8]) -> io::Result<()> {
    decoder.write_all(chunk)?;
    decoder.flush()
}

// === impl Decoded ===

impl Write for Decoded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self
            .left
            .checked_sub(bytes.len())
            .ok_or_else(|| io::Error::other("it decodes to more than an answer can have"))?;
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

    fn headers(coding: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream; charset=utf-8"),
        );
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
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
