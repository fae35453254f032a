//! Frames of AWS's binary event streams (`application/vnd.amazon.eventstream`).
//!
//! A frame is a prelude (length of all, length of the headers, CRC-32 of both), headers, a payload, and a CRC-32 of all before.
//! Both checksums are checked, the first one before the lengths are believed, so a damaged length is never waited for. Chunks
//! may be cut anywhere. A frame that lies in one chunk is read in place, any other is collected in a buffer, of at most
//! [`Frames::MAX_BYTES`] (or the configured limit).

mod headers;

pub use headers::Headers;

/// Length of the prelude with its checksum.
const PRELUDE: usize = 12;
/// Length of a frame without headers and payload.
const LEAST: usize = 16;
/// Length of a checksum.
const CHECKSUM: usize = 4;

/// A frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The headers.
    pub headers: Headers<'a>,
    /// The payload.
    pub payload: &'a [u8],
}

/// A divider of a stream into frames, independent of its chunks.
#[derive(Debug, Clone)]
pub struct Frames {
    /// The current frame, if it began in an earlier chunk.
    gathered: Vec<u8>,
    limit: usize,
}

/// The error of a stream that is no sequence of whole frames. The upstream is at fault, or something on the way from it; the
/// stream cannot be read on, as the beginning of the next frame is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// The lengths do not match their checksum.
    #[error("a frame's lengths do not match their checksum: the stream was damaged on its way")]
    Prelude,
    /// The frame does not match its checksum.
    #[error("a frame does not match its checksum: the stream was damaged on its way")]
    Message,
    /// The lengths contradict each other.
    #[error("a frame of {length} bytes cannot have {headers} bytes of headers")]
    Lengths {
        /// Length of the frame.
        length: usize,
        /// Length of its headers.
        headers: usize,
    },
    /// The frame exceeds the limit.
    #[error("a frame has {length} bytes, and at most {limit} are read")]
    TooLarge {
        /// Length of the frame.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// The headers are malformed.
    #[error("a frame's headers are malformed")]
    Headers,
    /// The stream ended within a frame.
    #[error("the stream ended within a frame, {missing} bytes before its end")]
    Truncated {
        /// Number of bytes that are missing, as far as it is known.
        missing: usize,
    },
}

// === impl Frames ===

impl Frames {
    /// Maximum size of a frame in bytes, which holds an event of a MiB in Base64, and padding.
    pub const MAX_BYTES: usize = 2 << 20;
    /// Maximum size of the buffer between frames.
    const MAX_IDLE_BUFFER_BYTES: usize = 64 << 10;

    /// Returns a divider with the usual limit.
    pub fn new() -> Self {
        Self::with_limit(Self::MAX_BYTES)
    }

    /// Returns a divider with a limit of its own.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            gathered: Vec::new(),
            limit,
        }
    }

    /// Reads a chunk, and passes each frame on that it completes.
    ///
    /// # Errors
    /// [`BadFrame`], after the frames before it, or the error of `on_frame`.
    pub fn push<E: From<BadFrame>>(
        &mut self,
        mut chunk: &[u8],
        mut on_frame: impl FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !self.gathered.is_empty() {
            let Some(missing) = self.missing()?.filter(|missing| *missing > 0) else {
                break;
            };
            let Some((more, rest)) = chunk.split_at_checked(missing) else {
                self.gathered.extend_from_slice(chunk);
                return Ok(());
            };
            self.gathered.extend_from_slice(more);
            chunk = rest;
            if self.missing()? == Some(0) {
                on_frame(read(&self.gathered)?)?;
                self.gathered.clear();
                self.gathered.shrink_to(Self::MAX_IDLE_BUFFER_BYTES);
            }
        }
        while let Some(length) = length(chunk, self.limit)? {
            let Some((whole, rest)) = chunk.split_at_checked(length) else {
                break;
            };
            on_frame(read(whole)?)?;
            chunk = rest;
        }
        self.gathered.extend_from_slice(chunk);
        Ok(())
    }

    /// Checks that the stream may end here.
    ///
    /// # Errors
    /// [`BadFrame::Truncated`] within a frame.
    pub fn end(&self) -> Result<(), BadFrame> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let missing = self.missing()?.unwrap_or_default();
        Err(BadFrame::Truncated { missing })
    }

    /// Returns the number of bytes that the collected frame still needs, or its prelude if that is incomplete.
    fn missing(&self) -> Result<Option<usize>, BadFrame> {
        let have = self.gathered.len();
        let want = length(&self.gathered, self.limit)?.unwrap_or(PRELUDE);
        Ok(want.checked_sub(have))
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the length of the frame at the beginning of these bytes, or `None` before its prelude is complete.
fn length(bytes: &[u8], limit: usize) -> Result<Option<usize>, BadFrame> {
    let Some((prelude, _)) = bytes.split_at_checked(PRELUDE) else {
        return Ok(None);
    };
    let (lengths, checksum) = prelude.split_at(PRELUDE - CHECKSUM);
    if number(checksum, 0) != crc32fast::hash(lengths) {
        return Err(BadFrame::Prelude);
    }
    let size = |at| usize::try_from(number(lengths, at)).unwrap_or(usize::MAX);
    let (length, headers) = (size(0), size(4));
    if length < LEAST || headers > length - LEAST {
        return Err(BadFrame::Lengths { length, headers });
    }
    if length > limit {
        return Err(BadFrame::TooLarge { length, limit });
    }
    Ok(Some(length))
}

/// Reads a whole frame whose prelude is checked.
fn read(frame: &[u8]) -> Result<Frame<'_>, BadFrame> {
    let (checked, checksum) = frame
        .split_at_checked(frame.len().saturating_sub(CHECKSUM))
        .ok_or(BadFrame::Headers)?;
    if number(checksum, 0) != crc32fast::hash(checked) {
        return Err(BadFrame::Message);
    }
    let headers = usize::try_from(number(frame, 4)).unwrap_or(usize::MAX);
    let content = checked.get(PRELUDE..).unwrap_or_default();
    let (headers, payload) = content.split_at_checked(headers).ok_or(BadFrame::Headers)?;
    let headers = Headers::read(headers).ok_or(BadFrame::Headers)?;
    Ok(Frame { headers, payload })
}

/// Returns the big-endian number at a place, which exists.
fn number(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk());
    bytes.copied().map_or(0, u32::from_be_bytes)
}

#[cfg(test)]
mod tests;
