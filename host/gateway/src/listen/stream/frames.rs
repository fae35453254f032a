//! The frames of an HTTP/2 connection, counted as they pass: those that ask for something or carry something, and those
//! that only cost.
//!
//! The HTTP layer limits what frames make it hold, and not how many come: pings, settings, priorities, window updates and
//! frames of unknown kinds can be sent without end. Here they are weighed against what the connection is for. A client may
//! acknowledge, ping and reprioritise as much as its answers give it reason to; one that does nothing else is told to be
//! calm (RFC 9113, section 10.5). Requests that are taken back before there is an answer count by themselves: each may have
//! cost an upstream call. A client that has taken back too many is told to go, while its other answers run to their end: it
//! may be a proxy, with many clients behind it. What it takes back after that only costs.

use std::sync::Arc;

use tokio::sync::Notify;

/// Bytes of a frame's header (RFC 9113, section 4.1).
const HEADER: usize = 9;

/// Bytes in front of a client's first frame.
const PREFACE: u32 = 24;

/// Frames that only cost, before there is any reason for them.
const IDLE: u32 = 1000;

/// Further ones for each frame that carries something: a client acknowledges one with two, and a request begins with a few.
const IDLE_EACH: u32 = 8;

/// Requests that may be taken back beyond as many as have had the head of an answer.
const RESETS: u32 = 100;

const END_STREAM: u8 = 1;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;

/// Something that a client of HTTP/2 is told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calm(Arc<Words>);

/// What there is to tell.
#[derive(Debug, Default)]
struct Words {
    leave: Notify,
    end: Notify,
}

/// The frames so far.
#[derive(Debug)]
pub(crate) struct Frames {
    inbound: Cut,
    outbound: Cut,
    tally: Tally,
    calm: Calm,
}

/// Where one frame ends and the next begins, in one direction.
#[derive(Debug)]
struct Cut {
    header: [u8; HEADER],
    have: usize,
    /// Bytes before the next header.
    skip: u32,
}

/// The header of a frame.
#[derive(Debug, Clone, Copy)]
struct Frame {
    length: u32,
    kind: u8,
    flags: u8,
}

/// What the frames come to.
#[derive(Debug, Default)]
struct Tally {
    /// Frames that ask for something or carry something, in both directions.
    useful: u32,
    /// A client's frames that do neither.
    idle: u32,
    /// Requests that the client took back.
    resets: u32,
    /// Answers that have begun.
    answered: u32,
}

// === impl Calm ===

impl Calm {
    /// Ends when the client has to ask elsewhere.
    pub(crate) async fn leave(&self) {
        self.0.leave.notified().await;
    }

    /// Ends when the connection has to end.
    pub(crate) async fn end(&self) {
        self.0.end.notified().await;
    }
}

// === impl Frames ===

impl Frames {
    pub(crate) fn new(calm: Calm) -> Self {
        Self {
            inbound: Cut::new(PREFACE),
            outbound: Cut::new(0),
            tally: Tally::default(),
            calm,
        }
    }

    /// Whether the client has gone too far.
    pub(crate) fn are_too_many(&self) -> bool {
        self.tally.is_over()
    }

    /// Takes note of what came from the client.
    pub(crate) fn came(&mut self, bytes: &[u8]) {
        let (was_fickle, was_over) = (self.tally.is_fickle(), self.tally.is_over());
        self.inbound.pass(bytes, |frame| self.tally.came(frame));
        if self.tally.is_fickle() && !was_fickle {
            self.calm.0.leave.notify_one();
        }
        if self.tally.is_over() && !was_over {
            self.calm.0.end.notify_one();
        }
    }

    /// Takes note of what went to the client.
    pub(crate) fn went(&mut self, bytes: &[u8]) {
        self.outbound.pass(bytes, |frame| self.tally.went(frame));
    }
}

// === impl Tally ===

impl Tally {
    fn came(&mut self, frame: Frame) {
        let counter = match frame.kind {
            HEADERS => &mut self.useful,
            DATA if frame.length > 0 || frame.flags & END_STREAM != 0 => return,
            RST_STREAM if !self.is_fickle() => &mut self.resets,
            _ => &mut self.idle,
        };
        *counter = counter.saturating_add(1);
    }

    fn went(&mut self, frame: Frame) {
        if frame.kind == DATA && frame.length > 0 {
            self.useful = self.useful.saturating_add(1);
        }
        // Those that end a stream are trailers: the head of an answer never does here.
        if frame.kind == HEADERS && frame.flags & END_STREAM == 0 {
            self.answered = self.answered.saturating_add(1);
        }
    }

    /// Whether more requests were taken back than may be.
    fn is_fickle(&self) -> bool {
        self.resets > self.answered.saturating_add(RESETS)
    }

    fn is_over(&self) -> bool {
        let reason = self.useful.saturating_mul(IDLE_EACH);
        self.idle > reason.saturating_add(IDLE)
    }
}

// === impl Cut ===

impl Cut {
    const fn new(skip: u32) -> Self {
        Self {
            header: [0; HEADER],
            have: 0,
            skip,
        }
    }

    /// Passes over bytes, and shows the header of each frame once it is whole.
    fn pass(&mut self, mut bytes: &[u8], mut each: impl FnMut(Frame)) {
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
    fn frames_are_found_however_they_are_cut() {
        let mut bytes = vec![b'x'; 24];
        bytes.extend(frame(4, 0, &[]));
        bytes.extend(frame(HEADERS, 5, &[9; 300]));
        bytes.extend(frame(RST_STREAM, 0, &[0; 4]));
        bytes.extend(frame(DATA, 0, &[3; 20]));
        bytes.extend(frame(0xfa, 0, &[1]));
        for size in 1..=bytes.len() {
            let mut frames = Frames::new(Calm::default());
            for piece in bytes.chunks(size) {
                frames.came(piece);
            }
            let tally = &frames.tally;
            assert_eq!(
                (tally.useful, tally.idle, tally.resets),
                (1, 2, 1),
                "in pieces of {size}"
            );
        }
    }

    #[test]
    fn what_only_costs_needs_a_reason() {
        let mut frames = Frames::new(Calm::default());
        frames.came(&[0; 24]);
        let ping = frame(6, 0, &[0; 8]);
        for _ in 0..IDLE {
            frames.came(&ping);
        }
        assert!(!frames.are_too_many(), "as many as anybody may send");
        frames.went(&frame(DATA, 0, &[1; 10]));
        for _ in 0..IDLE_EACH {
            frames.came(&ping);
        }
        assert!(!frames.are_too_many(), "a part of an answer is a reason");
        frames.came(&ping);
        assert!(frames.are_too_many(), "one more is not");
    }

    #[test]
    fn as_many_requests_are_taken_back_as_have_had_an_answer_and_some() {
        let mut frames = Frames::new(Calm::default());
        frames.came(&[0; 24]);
        let reset = frame(RST_STREAM, 0, &[0; 4]);
        for _ in 0..RESETS {
            frames.came(&reset);
        }
        assert!(!frames.tally.is_fickle(), "some");
        frames.went(&frame(HEADERS, 4, &[1; 10]));
        frames.went(&frame(DATA, 0, &[1; 10]));
        frames.went(&frame(HEADERS, 4 | END_STREAM, &[1; 10]));
        frames.came(&reset);
        assert!(!frames.tally.is_fickle(), "one for an answer");
        frames.came(&reset);
        assert!(frames.tally.is_fickle(), "and no more");
        assert!(!frames.are_too_many(), "what runs may end");
        for _ in 0..=IDLE + 2 * IDLE_EACH {
            frames.came(&reset);
        }
        assert!(frames.are_too_many(), "and that ends too");
    }
}
