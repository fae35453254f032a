//! Compressed request bodies, decoded for the scan and kept as they were sent.
//!
//! The upstream gets what the client sent, unless a plugin edits the body or changes the model. The limit applies to the decoded
//! body, whatever its compression ratio.

use std::io::{self, Read};

use brotli::reader::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use bytes::Bytes;
use witgate_http::Value;

use crate::answer::refused::Refused;
use crate::config::Limits;
use crate::exchange::coding::{Coding, Unsupported, ZSTD_WINDOW};
use crate::tenants::concurrency::{Charge, Permit};

/// Size in bytes from which a body is decoded on a blocking thread.
const BLOCKING_THRESHOLD: usize = 64 * 1024;

/// Decoded size in bytes from which a body is decoded on a blocking thread: a few KiB can decode to all that is allowed.
const DECODED_BLOCKING_THRESHOLD: usize = 1024 * 1024;

/// Bytes that are decoded at a time.
const PIECE_BYTES: usize = 32 * 1024;

/// A request body, decoded and as it was sent.
pub(crate) struct Body {
    /// The decoded body.
    pub(crate) plain: Bytes,
    /// The body as it was sent, or `None` if it was not compressed.
    pub(crate) sent: Option<Bytes>,
}

/// A failure to decode a body.
#[derive(Debug)]
enum Undecodable {
    /// The decoded body is over the limit.
    TooLarge,
    /// The body is not in the coding of its header.
    Broken,
    /// The memory is exhausted.
    NoRoom(Box<Refused>),
}

/// Decodes a body with this `content-encoding`, and charges its memory as it grows.
///
/// # Errors
///
/// 400 if the coding is not supported or the body is not in it, 413 if the decoded body is over the limit; also as
/// [`Charge::cover`].
pub(crate) async fn decode(
    coding: Option<Value<'_>>,
    body: Bytes,
    limits: &Limits,
    permit: &Permit,
) -> Result<Body, Refused> {
    let coding = Coding::parse(coding).map_err(|Unsupported| {
        Refused::client(
            400,
            "the content-encoding of the body is not supported: use gzip, deflate, br or zstd, or send the body uncompressed",
        )
    })?;
    let Some(coding) = coding else {
        return Ok(Body {
            plain: body,
            sent: None,
        });
    };
    let limit = limits.decoded_bytes;
    let sent = body.clone();
    let at_once = if body.len() < BLOCKING_THRESHOLD {
        let plain = Plain::new(limit.min(DECODED_BLOCKING_THRESHOLD), permit.charge());
        Some(unpack(coding, &body, plain)).filter(|plain| {
            limit <= DECODED_BLOCKING_THRESHOLD || !matches!(plain, Err(Undecodable::TooLarge))
        })
    } else {
        None
    };
    let plain = if let Some(plain) = at_once {
        plain
    } else {
        let plain = Plain::new(limit, permit.charge());
        // Many may wait for a thread, so the memory of each decoder is charged from here on.
        let mut state = permit.charge();
        state.cover(coding.window_bytes())?;
        // A disconnect does not stop the thread, which therefore owns the bytes and their charges.
        tokio::task::spawn_blocking(move || {
            let _state = state;
            unpack(coding, &body, plain)
        })
        .await
        .map_err(|_| Refused::gateway(500, "the gateway failed to decode the body: try again"))?
    };
    match plain {
        Ok(plain) => Ok(Body {
            plain,
            sent: Some(sent),
        }),
        Err(undecodable) => Err(undecodable.refused(coding, limit)),
    }
}

// === impl Undecodable ===

impl Undecodable {
    fn refused(self, coding: Coding, limit: usize) -> Refused {
        match self {
            Self::TooLarge => Refused::client(
                413,
                format!("the decoded body exceeds the limit of {limit} bytes"),
            ),
            Self::Broken => Refused::client(
                400,
                format!(
                    "the body is not valid {}, although its content-encoding says so",
                    coding.name()
                ),
            ),
            Self::NoRoom(refused) => *refused,
        }
    }
}

/// Decodes a whole body, which may contain nothing after the end of the coding.
fn unpack(coding: Coding, body: &[u8], plain: Plain) -> Result<Bytes, Undecodable> {
    match coding {
        Coding::Gzip => plain.read(flate2::read::MultiGzDecoder::new(body)),
        Coding::Deflate => {
            let mut decoder = flate2::bufread::ZlibDecoder::new(body);
            let plain = plain.read(&mut decoder)?;
            whole(decoder.into_inner(), plain)
        }
        Coding::Brotli => unpack_brotli(body, plain),
        Coding::Zstd => {
            let mut decoder =
                zstd::stream::read::Decoder::with_buffer(body).map_err(|_| Undecodable::Broken)?;
            decoder
                .window_log_max(ZSTD_WINDOW)
                .map_err(|_| Undecodable::Broken)?;
            plain.read(decoder)
        }
    }
}

/// Decodes brotli piece by piece, because the crate's reader does not report bytes behind the end.
fn unpack_brotli(body: &[u8], mut plain: Plain) -> Result<Bytes, Undecodable> {
    let alloc = StandardAlloc::default;
    let mut state = BrotliState::new(alloc(), alloc(), alloc());
    let mut piece = vec![0_u8; PIECE_BYTES];
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
        plain.push(piece.get(..written).unwrap_or_default())?;
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultSuccess => {
                return whole(body.get(at..).unwrap_or_default(), plain.into_bytes());
            }
            BrotliResult::NeedsMoreInput | BrotliResult::ResultFailure => {
                return Err(Undecodable::Broken);
            }
        }
    }
}

/// Returns the decoded body, if nothing follows the end of the coding: another reader could decode the rest too.
fn whole(rest: &[u8], plain: Bytes) -> Result<Bytes, Undecodable> {
    if rest.is_empty() {
        Ok(plain)
    } else {
        Err(Undecodable::Broken)
    }
}

/// A partly decoded body.
struct Plain {
    bytes: Vec<u8>,
    limit: usize,
    charge: Charge,
}

// === impl Plain ===

impl Plain {
    fn new(limit: usize, charge: Charge) -> Self {
        Self {
            bytes: Vec::new(),
            limit,
            charge,
        }
    }

    /// Reads to the end, and no further than one piece past the limit.
    fn read(mut self, mut decoder: impl Read) -> Result<Bytes, Undecodable> {
        let mut piece = vec![0_u8; PIECE_BYTES];
        loop {
            match decoder.read(&mut piece) {
                Ok(0) => return Ok(self.into_bytes()),
                Ok(read) => self.push(piece.get(..read).unwrap_or_default())?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Undecodable::Broken),
            }
        }
    }

    /// Appends a piece. Its memory is charged before it is allocated.
    fn push(&mut self, piece: &[u8]) -> Result<(), Undecodable> {
        let len = self.bytes.len() + piece.len();
        if len > self.limit {
            return Err(Undecodable::TooLarge);
        }
        self.charge
            .grow(&mut self.bytes, len, self.limit)
            .map_err(|refused| Undecodable::NoRoom(Box::new(refused)))?;
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// Returns the bytes, which keep their charge.
    fn into_bytes(mut self) -> Bytes {
        self.bytes.shrink_to_fit();
        self.charge.tie(Bytes::from(self.bytes))
    }
}

#[cfg(test)]
mod tests;
