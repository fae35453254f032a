//! Where the events of a stream begin and end.
//!
//! Framing as the HTML standard has it: lines end on LF, CR or CRLF, an empty line ends an event, several `data` lines
//! make one text, comments and unknown fields mean nothing, a byte order mark may come first. Chunks may be cut
//! anywhere, within a line end or a character too. An event that lies in one chunk is read where it lies; one that
//! doesn't is gathered in a buffer. An event of more than [`Framer::LIMIT`] bytes (or as configured) is counted and
//! passed over, however it is cut: a framer watches a stream and never fails it.

mod event;

pub use event::Event;

/// What a framer sees in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// An event with data.
    Event(Event<'a>),
    /// An event that was larger than the limit, and how many bytes it had.
    Oversized(usize),
}

/// Cuts a stream into events, whatever its chunks are.
#[derive(Debug, Clone)]
pub struct Framer {
    /// The event so far, when it began in an earlier chunk.
    gathered: Vec<u8>,
    /// Bytes of the event so far that were not gathered, because they are too many.
    dropped: usize,
    limit: usize,
    line: Line,
    /// Bytes of the byte order mark that were seen; past its end when there is none or it is over.
    mark: u8,
}

/// Where in a line the last chunk ended.
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

const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

// === impl Framer ===

impl Framer {
    /// Bytes that an event may have.
    pub const LIMIT: usize = 1 << 20;

    /// A buffer larger than this is given back after its event, so that thousands of streams stay small.
    const KEPT: usize = 16 << 10;

    /// A framer at the beginning of a stream.
    pub fn new() -> Self {
        Self::with_limit(Self::LIMIT)
    }

    /// A framer that passes over events of more than `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            gathered: Vec::new(),
            dropped: 0,
            limit,
            line: Line::Boundary,
            mark: 0,
        }
    }

    /// Whether the stream stands between two events, so that one may be put in. A first empty line or byte order mark
    /// may be there already.
    pub fn at_boundary(&self) -> bool {
        matches!(self.line, Line::Boundary | Line::BoundaryAfterCr) && !(1..=2).contains(&self.mark)
    }

    /// Reads the next chunk and hands over each event that ends in it.
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

    /// What follows the byte order mark, or whatever there is instead of one.
    fn after_mark<'a>(&mut self, mut chunk: &'a [u8]) -> &'a [u8] {
        while let (Some(wanted), Some((first, rest))) =
            (MARK.get(usize::from(self.mark)), chunk.split_first())
        {
            if first == wanted {
                self.mark += 1;
                chunk = rest;
                continue;
            }
            // Bytes that only looked like a mark belong to the first line.
            self.gather(MARK.get(..usize::from(self.mark)).unwrap_or_default());
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
        self.gathered.shrink_to(Self::KEPT);
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
