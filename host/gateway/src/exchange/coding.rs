//! Content codings: gzip, deflate (RFC 9110, section 8.4.1), br (RFC 7932) and zstd (RFC 8878).

use std::io::{self, Write};

use witgate_http::Value;

/// Maximum window of a zstd stream, as a power of two: RFC 9659 keeps senders within 8 MiB.
pub(crate) const ZSTD_WINDOW: u32 = 23;

/// Buffer of the brotli decoder, in bytes.
const BROTLI_BUFFER: usize = 16 * 1024;

/// A supported content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// The error of a coding that is not supported, or of several at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsupported;

/// A decoder that writes to a `W` whatever is written to it in a coding.
pub(crate) trait Decoder<W>: Write + Send + Sync {
    fn target(&self) -> &W;

    fn target_mut(&mut self) -> &mut W;
}

// === impl Coding ===

impl Coding {
    const NAMES: [(&str, Self); 5] = [
        ("gzip", Self::Gzip),
        ("x-gzip", Self::Gzip),
        ("deflate", Self::Deflate),
        ("br", Self::Brotli),
        ("zstd", Self::Zstd),
    ];

    /// Parses a `Content-Encoding` header. Returns `None` if it is missing, empty or `identity`.
    pub(crate) fn parse(header: Option<Value<'_>>) -> Result<Option<Self>, Unsupported> {
        let Some(header) = header else {
            return Ok(None);
        };
        let name = header.to_str().ok_or(Unsupported)?.trim();
        if name.is_empty() || name.eq_ignore_ascii_case("identity") {
            return Ok(None);
        }
        let known = Self::NAMES
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known));
        known.map(|(_, coding)| Some(*coding)).ok_or(Unsupported)
    }

    /// Returns the coding's name, as written in headers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// Returns the maximum memory of a decoder beside its output, in bytes: the window that the coding allows.
    pub(crate) fn window_bytes(self) -> usize {
        match self {
            Self::Gzip | Self::Deflate => 64 << 10,
            Self::Brotli => 16 << 20,
            Self::Zstd => 1 << ZSTD_WINDOW,
        }
    }

    /// Returns a decoder that writes to `target`.
    ///
    /// # Errors
    ///
    /// The zstd decoder could not allocate its state.
    pub(crate) fn decoder<W>(self, target: W) -> io::Result<Box<dyn Decoder<W>>>
    where
        W: Write + Send + Sync + 'static,
    {
        Ok(match self {
            Self::Gzip => Box::new(flate2::write::MultiGzDecoder::new(target)),
            Self::Deflate => Box::new(flate2::write::ZlibDecoder::new(target)),
            Self::Brotli => Box::new(brotli::DecompressorWriter::new(target, BROTLI_BUFFER)),
            Self::Zstd => {
                let mut decoder = zstd::stream::write::Decoder::new(target)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                Box::new(decoder)
            }
        })
    }
}

// === impl Decoder ===

/// Implements [`Decoder`] by the accessors that every one of these writers has.
macro_rules! decoders {
    ($($decoder:ty),*) => {
        $(impl<W: Write + Send + Sync> Decoder<W> for $decoder {
            fn target(&self) -> &W {
                self.get_ref()
            }

            fn target_mut(&mut self) -> &mut W {
                self.get_mut()
            }
        })*
    };
}

decoders!(
    flate2::write::MultiGzDecoder<W>,
    flate2::write::ZlibDecoder<W>,
    brotli::DecompressorWriter<W>,
    zstd::stream::write::Decoder<'static, W>
);

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_coding_is_read_in_any_case_and_no_other_is_taken_for_one() {
        let parse =
            |name: &'static str| Coding::parse(Some((&HeaderValue::from_static(name)).into()));
        assert_eq!(Coding::parse(None), Ok(None), "no header");
        for name in ["", " ", "identity", "Identity"] {
            assert_eq!(parse(name), Ok(None), "{name:?} is no coding");
        }
        for (name, coding) in Coding::NAMES {
            assert_eq!(parse(name), Ok(Some(coding)), "{name}");
        }
        assert_eq!(parse(" GZIP "), Ok(Some(Coding::Gzip)), "case and blanks");
        for name in ["gzip, br", "gzip;q=1", "compress", "aws-chunked", "*"] {
            assert_eq!(parse(name), Err(Unsupported), "{name}");
        }
        let no_text = HeaderValue::from_bytes(b"gzip\xff").unwrap();
        let no_text = Value::from(&no_text);
        assert_eq!(Coding::parse(Some(no_text)), Err(Unsupported), "no text");
    }
}
