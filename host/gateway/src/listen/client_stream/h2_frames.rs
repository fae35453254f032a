//! A counter of the frames on an HTTP/2 connection that tells useful frames from overhead.
//!
//! The HTTP layer limits the memory that frames occupy, but not their number: a client can send pings, settings, priorities,
//! window updates and unknown frames without end. This counter relates overhead to useful frames. A client may acknowledge,
//! ping and reprioritize as much as its responses justify; a client that does nothing else is disconnected with
//! ENHANCE_YOUR_CALM (RFC 9113, section 10.5). Requests that are reset before their response count separately, because each
//! may have cost an upstream call. A client that resets too many gets a GOAWAY, while its other responses are completed: it
//! may be a proxy for many clients. Further resets count as overhead.

use std::sync::Arc;

use tokio::sync::Notify;

/// Size of a frame header in bytes (RFC 9113, section 4.1).
const HEADER: usize = 9;

/// Number of bytes before a client's first frame.
const PREFACE: u32 = 24;

/// Number of overhead frames that are always allowed.
const OVERHEAD_BASE: u32 = 1000;

/// Number of further overhead frames for each useful frame: a client acknowledges a frame with two, and sends a few with each
/// request.
const OVERHEAD_PER_USEFUL: u32 = 8;

/// Number of requests that a client may reset in excess of the responses that have started.
const EXCESS_RESETS: u32 = 100;

const END_STREAM: u8 = 1;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;

/// A signal from the frame counter to the connection's task.
#[derive(Debug, Clone, Default)]
pub(crate) struct AbuseSignal(Arc<Notifications>);

#[derive(Debug, Default)]
struct Notifications {
    resets: Notify,
    flood: Notify,
}

/// The frames of one connection so far.
#[derive(Debug)]
pub(crate) struct FrameCounter {
    inbound: FrameParser,
    outbound: FrameParser,
    tally: Tally,
    abuse: AbuseSignal,
}

/// A parser of the frame headers in one direction.
#[derive(Debug)]
struct FrameParser {
    header: [u8; HEADER],
    have: usize,
    /// Number of bytes before the next header.
    skip: u32,
}

/// A frame header.
#[derive(Debug, Clone, Copy)]
struct Frame {
    length: u32,
    kind: u8,
    flags: u8,
}

/// The counts of a connection's frames.
#[derive(Debug, Default)]
struct Tally {
    /// Request heads received and data frames sent.
    useful: u32,
    /// Other frames received.
    overhead: u32,
    /// Requests that the client has reset.
    resets: u32,
    /// Responses that have started.
    answered: u32,
}

// === impl AbuseSignal ===

impl AbuseSignal {
    /// Resolves when the client has reset too many requests.
    pub(crate) async fn resets(&self) {
        self.0.resets.notified().await;
    }

    /// Resolves when the client has sent too many overhead frames.
    pub(crate) async fn flood(&self) {
        self.0.flood.notified().await;
    }
}

// === impl FrameCounter ===

impl FrameCounter {
    pub(crate) fn new(abuse: AbuseSignal) -> Self {
        Self {
            inbound: FrameParser::new(PREFACE),
            outbound: FrameParser::new(0),
            tally: Tally::default(),
            abuse,
        }
    }

    /// Returns whether the client has sent too many overhead frames.
    pub(crate) fn is_flooded(&self) -> bool {
        self.tally.is_flooded()
    }

    /// Counts bytes that were received from the client.
    pub(crate) fn received(&mut self, bytes: &[u8]) {
        let before = (self.tally.has_excess_resets(), self.tally.is_flooded());
        self.inbound
            .parse(bytes, |frame| self.tally.received(frame));
        if self.tally.has_excess_resets() && !before.0 {
            self.abuse.0.resets.notify_one();
        }
        if self.tally.is_flooded() && !before.1 {
            self.abuse.0.flood.notify_one();
        }
    }

    /// Counts bytes that were sent to the client.
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        self.outbound.parse(bytes, |frame| self.tally.sent(frame));
    }
}

// === impl Tally ===

impl Tally {
    fn received(&mut self, frame: Frame) {
        let counter = match frame.kind {
            HEADERS => &mut self.useful,
            DATA if frame.length > 0 || frame.flags & END_STREAM != 0 => return,
            RST_STREAM if !self.has_excess_resets() => &mut self.resets,
            _ => &mut self.overhead,
        };
        *counter = counter.saturating_add(1);
    }

    fn sent(&mut self, frame: Frame) {
        if frame.kind == DATA && frame.length > 0 {
            self.useful = self.useful.saturating_add(1);
        }
        // A head that ends its stream is a trailer: response heads never do so here.
        if frame.kind == HEADERS && frame.flags & END_STREAM == 0 {
            self.answered = self.answered.saturating_add(1);
        }
    }

    /// Returns whether the client has reset more requests than allowed.
    fn has_excess_resets(&self) -> bool {
        self.resets > self.answered.saturating_add(EXCESS_RESETS)
    }

    fn is_flooded(&self) -> bool {
        let earned = self.useful.saturating_mul(OVERHEAD_PER_USEFUL);
        self.overhead > earned.saturating_add(OVERHEAD_BASE)
    }
}

// === impl FrameParser ===

impl FrameParser {
    const fn new(skip: u32) -> Self {
        Self {
            header: [0; HEADER],
            have: 0,
            skip,
        }
    }

    /// Consumes bytes, and calls `each` for every frame header that is complete.
    fn parse(&mut self, mut bytes: &[u8], mut each: impl FnMut(Frame)) {
        while !bytes.is_empty() {
            let skipped = bytes
                .len()
                .min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            self.skip -= u32::try_from(skipped).unwrap_or(self.skip);
            bytes = bytes.get(skipped..).unwrap_or_default();
            let taken = bytes.len().min(HEADER - self.have);
            let (part, rest) = bytes.split_at(taken);
            if let Some(room) = self.header.get_mut(self.have..self.have + taken) {
                room.copy_from_slice(part);
            }
            self.have += taken;
            bytes = rest;
            if self.have == HEADER {
                let [a, b, c, kind, flags, ..] = self.header;
                let length = u32::from_be_bytes([0, a, b, c]);
                (self.have, self.skip) = (0, length);
                each(Frame {
                    length,
                    kind,
                    flags,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags, 0, 0, 0, 1]);
        frame.extend(payload);
        frame
    }

    #[test]
    fn frames_are_found_in_pieces_of_any_size() {
        let mut bytes = vec![b'x'; 24];
        bytes.extend(frame(4, 0, &[]));
        bytes.extend(frame(HEADERS, 5, &[9; 300]));
        bytes.extend(frame(RST_STREAM, 0, &[0; 4]));
        bytes.extend(frame(DATA, 0, &[3; 20]));
        bytes.extend(frame(0xfa, 0, &[1]));
        for size in 1..=bytes.len() {
            let mut frames = FrameCounter::new(AbuseSignal::default());
            for piece in bytes.chunks(size) {
                frames.received(piece);
            }
            let tally = &frames.tally;
            assert_eq!(
                (tally.useful, tally.overhead, tally.resets),
                (1, 2, 1),
                "in pieces of {size}"
            );
        }
    }

    #[test]
    fn overhead_is_allowed_in_proportion_to_useful_frames() {
        let mut frames = FrameCounter::new(AbuseSignal::default());
        frames.received(&[0; 24]);
        let ping = frame(6, 0, &[0; 8]);
        for _ in 0..OVERHEAD_BASE {
            frames.received(&ping);
        }
        assert!(!frames.is_flooded(), "the base is allowed");
        frames.sent(&frame(DATA, 0, &[1; 10]));
        for _ in 0..OVERHEAD_PER_USEFUL {
            frames.received(&ping);
        }
        assert!(!frames.is_flooded(), "a part of a response allows more");
        frames.received(&ping);
        assert!(frames.is_flooded(), "one more is a flood");
    }

    #[test]
    fn as_many_requests_may_be_reset_as_have_had_a_response_and_some() {
        let mut frames = FrameCounter::new(AbuseSignal::default());
        frames.received(&[0; 24]);
        let reset = frame(RST_STREAM, 0, &[0; 4]);
        for _ in 0..EXCESS_RESETS {
            frames.received(&reset);
        }
        assert!(!frames.tally.has_excess_resets(), "the excess is allowed");
        frames.sent(&frame(HEADERS, 4, &[1; 10]));
        frames.sent(&frame(DATA, 0, &[1; 10]));
        frames.sent(&frame(HEADERS, 4 | END_STREAM, &[1; 10]));
        frames.received(&reset);
        assert!(!frames.tally.has_excess_resets(), "one for a response");
        frames.received(&reset);
        assert!(frames.tally.has_excess_resets(), "one more is too many");
        assert!(!frames.is_flooded(), "running responses may end");
        for _ in 0..=OVERHEAD_BASE + 2 * OVERHEAD_PER_USEFUL {
            frames.received(&reset);
        }
        assert!(frames.is_flooded(), "further resets are overhead");
    }
}
