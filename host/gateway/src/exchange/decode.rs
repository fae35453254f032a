//! Compressed request bodies: decoded for the scan, within a limit, and kept as they were sent.
//!
//! What goes to the upstream is what the client sent, unless a plugin edits the body or another model is asked for. The
//! limit is on what a body decodes to; how much smaller it was packed does not matter.

use std::io::{self, Read};

use brotli::reader::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use bytes::Bytes;
use http::HeaderValue;

use crate::config::Limits;
use crate::refused::Refused;

/// Bodies from this size on are decoded on a thread that may be busy for a while.
const LARGE: usize = 64 * 1024;

/// Largest window of a zstd stream, as a power of two: RFC 9659 has senders stay within 8 MiB.
const ZSTD_WINDOW: u32 = 23;

/// A request's body, as it is meant and as it came.
pub(super) struct Body {
    /// Decoded.
    pub(super) plain: Bytes,
    /// As it was sent, where that is something else.
    pub(super) sent: Option<Bytes>,
}

/// The codings that are understood (RFC 9110, section 8.4.1; RFC 7932; RFC 8878).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Why a body can't be decoded.
#[derive(Debug)]
enum Undecodable {
    /// It decodes to more than the limit.
    TooLarge,
    /// It is not in the coding that it claims.
    Broken,
}

/// Decodes a body that came with this `content-encoding`.
///
/// # Errors
///
/// 400 for a coding that is not understood or that the body is not in, 413 for one that decodes to more than the limit.
pub(super) async fn decode(
    coding: Option<&HeaderValue>,
    body: Bytes,
    limits: &Limits,
) -> Result<Body, Refused> {
    let Some(coding) = coding.map(Coding::read).transpose()?.flatten() else {
        return Ok(Body {
            plain: body,
            sent: None,
        });
    };
    let limit = limits.decoded_bytes;
    let sent = body.clone();
    let plain = if body.len() < LARGE {
        coding.decode(&body, limit)
    } else {
        tokio::task::spawn_blocking(move || coding.decode(&body, limit))
            .await
            .map_err(|_| Refused::gateway(500, "the body could not be decoded"))?
    };
    match plain {
        Ok(plain) => Ok(Body {
            plain: plain.into(),
            sent: Some(sent),
        }),
        Err(Undecodable::TooLarge) => Err(Refused::client(
            413,
            format!("the body decodes to more than the {limit} bytes that this gateway takes"),
        )),
        Err(Undecodable::Broken) => Err(Refused::client(
            400,
            format!(
                "the body is not {}, as its content-encoding says",
                coding.name()
            ),
        )),
    }
}

// === impl Coding ===

impl Coding {
    /// The coding that a header names; none for `identity`.
    fn read(header: &HeaderValue) -> Result<Option<Self>, Refused> {
        // What is no text is no coding that is known.
        let name = header.to_str().unwrap_or("?").trim();
        let known = [
            ("gzip", Self::Gzip),
            ("x-gzip", Self::Gzip),
            ("deflate", Self::Deflate),
            ("br", Self::Brotli),
            ("zstd", Self::Zstd),
        ];
        if name.is_empty() || name.eq_ignore_ascii_case("identity") {
            return Ok(None);
        }
        let found = known
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known));
        found.map(|(_, coding)| Some(*coding)).ok_or_else(|| {
            Refused::client(
                400,
                "the content-encoding of the body is not understood: send it as it is, or in one of gzip, deflate, br and zstd",
            )
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    fn decode(self, body: &[u8], limit: usize) -> Result<Vec<u8>, Undecodable> {
        match self {
            Self::Gzip => read_all(flate2::read::MultiGzDecoder::new(body), limit),
            Self::Deflate => {
                let mut decoder = flate2::bufread::ZlibDecoder::new(body);
                let plain = read_all(&mut decoder, limit)?;
                whole(decoder.into_inner(), plain)
            }
            Self::Brotli => unpack_brotli(body, limit),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(body)
                    .map_err(|_| Undecodable::Broken)?;
                decoder
                    .window_log_max(ZSTD_WINDOW)
                    .map_err(|_| Undecodable::Broken)?;
                read_all(decoder, limit)
            }
        }
    }
}

/// Piece by piece: the reader of the crate does not tell what comes behind the end.
fn unpack_brotli(body: &[u8], limit: usize) -> Result<Vec<u8>, Undecodable> {
    let alloc = StandardAlloc::default;
    let mut state = BrotliState::new(alloc(), alloc(), alloc());
    let mut plain = Vec::new();
    let mut piece = vec![0_u8; 64 * 1024];
    let (mut left, mut at, mut total) = (body.len(), 0, 0);
    loop {
        let (mut room, mut written) = (piece.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut at,
            body,
            &mut room,
            &mut written,
            &mut piece,
            &mut total,
            &mut state,
        );
        plain.extend_from_slice(piece.get(..written).unwrap_or_default());
        if plain.len() > limit {
            return Err(Undecodable::TooLarge);
        }
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultSuccess => return whole(body.get(at..).unwrap_or_default(), plain),
            BrotliResult::NeedsMoreInput | BrotliResult::ResultFailure => {
                return Err(Undecodable::Broken);
            }
        }
    }
}

/// Nothing may come behind the end of what was decoded: another reader could take it for more.
fn whole(rest: &[u8], plain: Vec<u8>) -> Result<Vec<u8>, Undecodable> {
    if rest.is_empty() {
        Ok(plain)
    } else {
        Err(Undecodable::Broken)
    }
}

/// Reads to the end, and no further than one byte past the limit.
fn read_all(decoder: impl Read, limit: usize) -> Result<Vec<u8>, Undecodable> {
    let mut plain = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read: io::Result<usize> = decoder.take(most).read_to_end(&mut plain);
    if plain.len() > limit {
        return Err(Undecodable::TooLarge);
    }
    read.map(|_| plain).map_err(|_| Undecodable::Broken)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;

    use super::*;

    const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

    fn pack(coding: Coding, plain: &[u8]) -> Vec<u8> {
        match coding {
            Coding::Gzip => {
                let mut packer = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
                packer.write_all(plain).unwrap();
                packer.finish().unwrap()
            }
            Coding::Deflate => {
                let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
                packer.write_all(plain).unwrap();
                packer.finish().unwrap()
            }
            Coding::Brotli => {
                let mut packer = brotli::CompressorWriter::new(Vec::new(), 4096, 3, 20);
                packer.write_all(plain).unwrap();
                packer.into_inner()
            }
            Coding::Zstd => zstd::encode_all(plain, 1).unwrap(),
        }
    }

    #[test]
    fn every_coding_gives_the_body_back_up_to_the_limit() {
        let plain: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        for coding in ALL {
            let packed = pack(coding, &plain);
            assert_eq!(
                coding.decode(&packed, plain.len()).unwrap(),
                plain,
                "{coding:?}"
            );
            let over = coding.decode(&packed, plain.len() - 1);
            assert!(
                matches!(over, Err(Undecodable::TooLarge)),
                "{coding:?} over the limit"
            );
        }
    }

    #[test]
    fn a_bomb_is_left_at_the_limit() {
        let bomb = vec![b' '; 64 << 20];
        for coding in ALL {
            let packed = pack(coding, &bomb);
            assert!(packed.len() < 1 << 20, "{coding:?} packs it small");
            let decoded = coding.decode(&packed, 1 << 20);
            assert!(matches!(decoded, Err(Undecodable::TooLarge)), "{coding:?}");
        }
    }

    #[test]
    fn a_body_that_is_cut_or_followed_by_something_is_not_taken() {
        let plain = br#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;
        for coding in ALL {
            let packed = pack(coding, plain);
            for cut in 0..packed.len() {
                let decoded = coding.decode(&packed[..cut], 1 << 20);
                assert!(
                    decoded.is_err(),
                    "{coding:?} cut at {cut} of {}: {decoded:?}",
                    packed.len()
                );
            }
            let more = [packed.as_slice(), b"{}"].concat();
            assert!(
                coding.decode(&more, 1 << 20).is_err(),
                "{coding:?} with more behind it"
            );
        }
    }

    #[test]
    fn names_are_read_in_any_case_and_unknown_ones_are_refused() {
        let read = |name: &'static str| Coding::read(&HeaderValue::from_static(name));
        assert_eq!(read("GZip").unwrap(), Some(Coding::Gzip), "any case");
        assert_eq!(read("identity").unwrap(), None, "as it is");
        for unknown in ["compress", "gzip, br", "aws-chunked", "*"] {
            assert_eq!(read(unknown).unwrap_err().status, 400, "{unknown}");
        }
        let no_text = Coding::read(&HeaderValue::from_bytes(b"gzip\xff").unwrap());
        assert_eq!(no_text.unwrap_err().status, 400, "no text");
    }
}
