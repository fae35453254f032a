//! Compressed request bodies: decoded for the scan, within a limit, and kept as they were sent.
//!
//! What goes to the upstream is what the client sent, unless a plugin edits the body or another model is asked for. The
//! limit is on what a body decodes to; how much smaller it was packed does not matter.

use std::io::{self, Read};

use brotli::reader::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use bytes::Bytes;
use http::HeaderValue;

use crate::answer::refused::Refused;
use crate::coding::{Coding, Unsupported, ZSTD_WINDOW};
use crate::config::Limits;
use crate::tenants::concurrency::{Charge, Place};

/// Bodies from this size on are decoded on a thread that may be busy for a while.
const LARGE: usize = 64 * 1024;

/// The same for what they decode to: a few KiB can unpack to all that is allowed.
const LONG: usize = 1024 * 1024;

/// Bytes that are decoded at a time.
const PIECE: usize = 32 * 1024;

/// A request's body, as it is meant and as it came.
pub(crate) struct Body {
    /// Decoded.
    pub(crate) plain: Bytes,
    /// As it was sent, where that is something else.
    pub(crate) sent: Option<Bytes>,
}

/// Why a body can't be decoded.
#[derive(Debug)]
enum Undecodable {
    /// It decodes to more than the limit.
    TooLarge,
    /// It is not in the coding that it claims.
    Broken,
    /// There is no memory for it now.
    NoRoom(Box<Refused>),
}

/// Decodes a body that came with this `content-encoding`. What it decodes to is paid for while it grows.
///
/// # Errors
///
/// 400 for a coding that is not understood or that the body is not in, 413 for one that decodes to more than the limit, or
/// as [`Charge::cover`].
pub(crate) async fn decode(
    coding: Option<&HeaderValue>,
    body: Bytes,
    limits: &Limits,
    place: &Place,
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
    let at_once = if body.len() < LARGE {
        let plain = Plain::new(limit.min(LONG), place.charge());
        Some(unpack(coding, &body, plain))
            .filter(|plain| limit <= LONG || !matches!(plain, Err(Undecodable::TooLarge)))
    } else {
        None
    };
    let plain = if let Some(plain) = at_once {
        plain
    } else {
        let plain = Plain::new(limit, place.charge());
        // Many may wait for a thread; what each takes beside its output is counted from here on.
        let mut state = place.charge();
        state.cover(coding.window_bytes())?;
        // The bytes and their charges go along: a client that leaves does not stop the thread.
        tokio::task::spawn_blocking(move || {
            let _state = state;
            unpack(coding, &body, plain)
        })
        .await
        .map_err(|_| Refused::gateway(500, "the body could not be decoded"))?
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

/// Piece by piece: the reader of the crate does not tell what comes behind the end.
fn unpack_brotli(body: &[u8], mut plain: Plain) -> Result<Bytes, Undecodable> {
    let alloc = StandardAlloc::default;
    let mut state = BrotliState::new(alloc(), alloc(), alloc());
    let mut piece = vec![0_u8; PIECE];
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

/// Nothing may come behind the end of what was decoded: another reader could take it for more.
fn whole(rest: &[u8], plain: Bytes) -> Result<Bytes, Undecodable> {
    if rest.is_empty() {
        Ok(plain)
    } else {
        Err(Undecodable::Broken)
    }
}

/// What a body decodes to, as far as it has come.
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
        let mut piece = vec![0_u8; PIECE];
        loop {
            match decoder.read(&mut piece) {
                Ok(0) => return Ok(self.into_bytes()),
                Ok(read) => self.push(piece.get(..read).unwrap_or_default())?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Undecodable::Broken),
            }
        }
    }

    /// Takes a piece. Memory for it is paid for before it is asked for.
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

    /// The bytes, with what pays for them.
    fn into_bytes(mut self) -> Bytes {
        self.bytes.shrink_to_fit();
        self.charge.tie(Bytes::from(self.bytes))
    }
}

#[cfg(test)]
mod tests;
