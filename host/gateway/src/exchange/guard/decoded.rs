//! Decoding of an answer that the upstream compressed although it was asked not to.

use std::io::{self, Write};

use witgate_http::Headers;

use super::limits::MAX_HELD;
use crate::answer::refused::Refused;
use crate::exchange::coding::{Coding, Decoder};

/// Bytes that are decoded at a time, so that what they become stays small.
const STEP: usize = 1024;

/// Decoder of an answer's bytes.
pub(super) struct Decoding(Option<Box<dyn Decoder<Plain>>>);

/// The bytes that have been decoded and not taken.
#[derive(Default)]
struct Plain(Vec<u8>);

// === impl Decoding ===

impl Decoding {
    /// Returns the decoder for an answer with these headers.
    ///
    /// # Errors
    ///
    /// The answer has a coding that can't be decoded.
    pub(super) fn of(headers: &Headers) -> Result<Self, Refused> {
        let coding = Coding::parse(headers.get("content-encoding"));
        let decoder = match coding {
            Ok(None) => None,
            Ok(Some(coding)) => Some(coding.decoder(Plain::default()).map_err(|_| unreadable())?),
            Err(_) => return Err(unreadable()),
        };
        Ok(Self(decoder))
    }

    /// Returns whether the answer is compressed.
    pub(super) fn is_coded(&self) -> bool {
        self.0.is_some()
    }

    /// Passes on what a chunk contains, in pieces.
    ///
    /// # Errors
    ///
    /// The bytes are not in their coding, or what `each` returns.
    pub(super) fn feed<E: From<Refused>>(
        &mut self,
        chunk: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(decoder) = &mut self.0 else {
            return each(chunk);
        };
        for step in chunk.chunks(STEP) {
            let written = decoder.write_all(step).and_then(|()| decoder.flush());
            written.map_err(|_| unreadable())?;
            let plain = std::mem::take(&mut decoder.target_mut().0);
            if !plain.is_empty() {
                each(&plain)?;
            }
        }
        Ok(())
    }
}

fn unreadable() -> Refused {
    Refused::upstream(
        502,
        "the upstream compressed its response in a way that the gateway can't read, although it was asked not to",
    )
}

// === impl Plain ===

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_HELD {
            return Err(io::Error::other("decodes to more than a response may have"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
