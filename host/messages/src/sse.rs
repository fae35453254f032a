//! Framing of event streams.
//!
//! Framing follows the HTML standard: lines end with LF, CR or CRLF, an empty line ends an event, several `data` lines form one
//! text, comments and unknown fields are ignored, and a byte order mark may come first. Chunks may be cut anywhere, even within
//! a line end or a character. An event that lies in one chunk is read in place; any other is collected in a buffer. An event of
//! more than [`Framer::MAX_EVENT_BYTES`] bytes (or the configured limit) is counted and skipped, however it is cut: a framer observes a
//! stream and never fails it.

mod event;

pub use event::Event;

/// An event as seen by a framer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// An event with data.
    Event(Event<'a>),
    /// An event that exceeded the limit, with its size in bytes.
    Oversized(usize),
}

/// A divider of a stream into events, independent of its chunks.
#[derive(Debug, Clone)]
pub struct Framer {
    /// The current event, if it began in an earlier chunk.
    gathered: Vec<u8>,
    /// Bytes of the current event that were not collected because of the limit.
    dropped: usize,
    limit: usize,
    line: Line,
    /// Number of bytes of the byte order mark seen; beyond its length if there is none or it is complete.
    mark: u8,
}

/// The position within a line at the end of the last chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// At the beginning of an event.
    Boundary,
    /// At the beginning of an event, after a CR: an LF would belong to it.
    BoundaryAfterCr,
    /// At the beginning of another line.
    Start,
    /// At the beginning of another line, after a CR: an LF would belong to it.
    StartAfterCr,
    /// Within a line.
    Middle,
}

/// A place in a stream, between two chunks.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    line: Line,
    mark: u8,
}

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

// === impl Place ===

impl Place {
    /// Returns the number of bytes of the next chunk after which an event may be inserted for the first time, or `None` if that
    /// is in no part of it.
    pub fn boundary_in(self, chunk: &[u8]) -> Option<usize> {
        // Nothing is collected.
        let mut framer = Framer {
            line: self.line,
            mark: self.mark,
            ..Framer::with_limit(0)
        };
        if framer.at_boundary() {
            return Some(0);
        }
        let mut ends = 1..=chunk.len();
        ends.find(|end| {
            let byte = chunk.get(end - 1..*end).unwrap_or_default();
            framer.feed(byte, |_| {});
            framer.at_boundary()
        })
    }
}

// === impl Framer ===

impl Framer {
    /// Maximum size of an event in bytes.
    pub const MAX_EVENT_BYTES: usize = 1 << 20;

    /// Size in bytes above which a buffer is freed after its event, so that thousands of streams stay small.
    const MAX_IDLE_BUFFER_BYTES: usize = 16 << 10;

    /// Creates a framer at the beginning of a stream.
    pub fn new() -> Self {
        Self::with_limit(Self::MAX_EVENT_BYTES)
    }

    /// Creates a framer that skips events of more than `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            gathered: Vec::new(),
            dropped: 0,
            limit,
            line: Line::Boundary,
            mark: 0,
        }
    }

    /// Returns true if the stream is between two events, so that one may be inserted. An initial empty line or byte order mark
    /// may have passed already.
    pub fn at_boundary(&self) -> bool {
        matches!(self.line, Line::Boundary | Line::BoundaryAfterCr) && !(1..=2).contains(&self.mark)
    }

    /// Returns the place that the stream is at.
    pub fn place(&self) -> Place {
        Place {
            line: self.line,
            mark: self.mark,
        }
    }

    /// Reads the next chunk and passes on each event that ends in it.
    pub fn feed(&mut self, chunk: &[u8], mut on_frame: impl FnMut(Frame<'_>)) {
        let chunk = self.after_mark(chunk);
        let mut begin = 0;
        let mut at = 0;
        if matches!(self.line, Line::BoundaryAfterCr | Line::StartAfterCr)
            && chunk.first() == Some(&b'\n')
        {
            at = 1;
            if self.line == Line::BoundaryAfterCr {
                begin = 1;
            }
            self.line = if self.line == Line::BoundaryAfterCr {
                Line::Boundary
            } else {
                Line::Start
            };
        }
        while let Some(found) = memchr::memchr2(b'\n', b'\r', chunk.get(at..).unwrap_or_default()) {
            let line_end = at + found;
            let ends_event = found == 0 && self.line != Line::Middle;
            let after = match (chunk.get(line_end), chunk.get(line_end + 1)) {
                (Some(b'\r'), Some(b'\n')) => line_end + 2,
                _ => line_end + 1,
            };
            // A CR that ends the chunk may have its LF in the next one.
            let open = chunk.get(line_end..) == Some(b"\r");
            at = after;
            if ends_event {
                self.end_event(
                    chunk.get(begin..line_end).unwrap_or_default(),
                    &mut on_frame,
                );
                begin = at;
                self.line = if open {
                    Line::BoundaryAfterCr
                } else {
                    Line::Boundary
                };
            } else {
                self.line = if open {
                    Line::StartAfterCr
                } else {
                    Line::Start
                };
            }
        }
        let rest = chunk.get(begin..).unwrap_or_default();
        if at < chunk.len() {
            self.line = Line::Middle;
        }
        self.gather(rest);
    }

    /// Returns the bytes after the byte order mark, or all bytes if there is none.
    fn after_mark<'a>(&mut self, mut chunk: &'a [u8]) -> &'a [u8] {
        while let (Some(wanted), Some((first, rest))) = (
            BYTE_ORDER_MARK.get(usize::from(self.mark)),
            chunk.split_first(),
        ) {
            if first == wanted {
                self.mark += 1;
                chunk = rest;
                continue;
            }
            // Bytes that only looked like a mark belong to the first line.
            self.gather(
                BYTE_ORDER_MARK
                    .get(..usize::from(self.mark))
                    .unwrap_or_default(),
            );
            if self.mark > 0 {
                self.line = Line::Middle;
            }
            self.mark = 3;
        }
        chunk
    }

    fn end_event(&mut self, tail: &[u8], on_frame: &mut impl FnMut(Frame<'_>)) {
        if self.dropped > 0 {
            on_frame(Frame::Oversized(self.dropped + tail.len()));
            self.dropped = 0;
            return;
        }
        if self.gathered.is_empty() && tail.len() <= self.limit {
            event::read(tail, on_frame);
            return;
        }
        self.gather(tail);
        if self.dropped > 0 {
            on_frame(Frame::Oversized(std::mem::take(&mut self.dropped)));
            return;
        }
        event::read(&self.gathered, on_frame);
        self.gathered.clear();
        self.gathered.shrink_to(Self::MAX_IDLE_BUFFER_BYTES);
    }

    fn gather(&mut self, bytes: &[u8]) {
        if self.dropped > 0 {
            self.dropped += bytes.len();
        } else if self.gathered.len() + bytes.len() > self.limit {
            self.dropped = self.gathered.len() + bytes.len();
            self.gathered = Vec::new();
        } else {
            self.gathered.extend_from_slice(bytes);
        }
    }
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}
