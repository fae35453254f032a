//! An upstream's answer: its bytes, the writes that they are cut into, and the place where they stop.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use serde_json::Value;

use super::events::Events;
use super::pause::Pause;

/// A scripted answer.
#[derive(Debug, Clone)]
pub struct Answer {
    head: Vec<u8>,
    body: Vec<u8>,
    coding: Coding,
    /// Places in the body where one write, and in a chunked body one chunk, ends.
    cuts: Vec<usize>,
    /// Places in the body where an event ends.
    events: Vec<usize>,
    /// Places in the body where the answer waits, and the wait before the head.
    pauses: Vec<(usize, Pause)>,
    before_head: Option<Pause>,
    /// The time between two writes.
    pace: Option<Duration>,
    /// The count of the bytes that were written.
    sent: Option<Arc<AtomicUsize>>,
    ending: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Chunked,
    /// The body goes out as it is.
    Plain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The connection lives on.
    KeepAlive,
    /// The answer is whole, and then the connection closes.
    Close,
    /// The connection closes after so many bytes of the answer as it stands on the wire.
    AtByte(usize),
    /// The connection closes after so many bytes of the body, without the mark of the coding's end.
    InBody(usize),
    /// The answer never comes.
    Never,
}

/// A step of the upstream.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Write(Vec<u8>),
    Wait(Pause),
    /// Takes so long, as a model does between two tokens.
    Rest(Duration),
    WaitForever,
    Close,
}

// === impl Answer ===

impl Answer {
    /// An answer in one piece with a `content-length`. The headers go out before it, as given.
    pub fn json(status: u16, headers: &[(&str, &str)], body: &Value) -> Self {
        Self::bytes(
            status,
            &[&[("content-type", "application/json")], headers].concat(),
            body.to_string(),
        )
    }

    /// Like [`Answer::json`], with any body and only the given headers beside `content-length`.
    pub fn bytes(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let length = body.len().to_string();
        let head = head(
            status,
            &[headers, &[("content-length", length.as_str())]].concat(),
        );
        Self {
            head,
            body,
            ..Self::empty(Coding::Plain)
        }
    }

    /// An error in the API's shape.
    pub fn error(status: u16, kind: &str, message: &str) -> Self {
        let body =
            serde_json::json!({"type": "error", "error": {"type": kind, "message": message}});
        Self::json(status, &[], &body)
    }

    /// A message without a stream: one text, with these counts of tokens.
    pub fn message(model: &str, text: &str, usage: &Value) -> Self {
        let body = serde_json::json!({
            "id": "msg_01Harness", "type": "message", "role": "assistant", "model": model,
            "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": null, "usage": usage,
        });
        Self::json(200, &[("request-id", "req_011Harness")], &body)
    }

    /// A stream, one chunk for each event.
    pub fn sse(events: &Events) -> Self {
        Self::sse_with(&[], events)
    }

    /// Like [`Answer::sse`], with further headers.
    pub fn sse_with(headers: &[(&str, &str)], events: &Events) -> Self {
        let own = [
            ("content-type", "text/event-stream; charset=utf-8"),
            ("transfer-encoding", "chunked"),
        ];
        let ends = events.frames().iter().scan(0, |end, frame| {
            *end += frame.len();
            Some(*end)
        });
        let ends: Vec<usize> = ends.collect();
        let head = head(200, &[&own, headers].concat());
        Self {
            head,
            body: events.to_bytes(),
            cuts: ends.clone(),
            events: ends,
            ..Self::empty(Coding::Chunked)
        }
    }

    /// Any bytes as a stream, in one chunk.
    pub fn chunked(headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let own = [("transfer-encoding", "chunked")];
        Self {
            head: head(200, &[headers, &own].concat()),
            body: body.into(),
            ..Self::empty(Coding::Chunked)
        }
    }

    /// Bytes as they are, which need not be HTTP. The connection closes after them.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            body: bytes.into(),
            ending: End::Close,
            ..Self::empty(Coding::Plain)
        }
    }

    /// Reads the request and says nothing until the client leaves.
    pub fn never() -> Self {
        Self {
            ending: End::Never,
            ..Self::empty(Coding::Plain)
        }
    }

    /// Closes the connection instead of answering.
    pub fn hang_up() -> Self {
        Self {
            ending: End::AtByte(0),
            ..Self::empty(Coding::Plain)
        }
    }

    /// Cuts the body into pieces of this size.
    #[must_use]
    pub fn in_pieces_of(mut self, size: usize) -> Self {
        self.cuts = (1..)
            .map(|piece| piece * size)
            .take_while(|place| *place < self.body.len())
            .collect();
        self
    }

    /// Takes this long between two writes.
    #[must_use]
    pub fn paced(mut self, pace: Duration) -> Self {
        self.pace = Some(pace);
        self
    }

    /// Counts bytes as they are written: head and chunk marks, too.
    #[must_use]
    pub fn counted_by(mut self, sent: &Arc<AtomicUsize>) -> Self {
        self.sent = Some(Arc::clone(sent));
        self
    }

    /// Closes the connection after so many bytes of the answer, head and chunk marks counted.
    #[must_use]
    pub fn stop_at_byte(mut self, bytes: usize) -> Self {
        self.ending = End::AtByte(bytes);
        self
    }

    /// Closes the connection after so many bytes of the body, chunk marks not counted.
    #[must_use]
    pub fn stop_in_body(mut self, bytes: usize) -> Self {
        self.ending = End::InBody(bytes);
        self
    }

    /// Closes the connection after so many whole events. With all of them the stream still lacks its last chunk.
    #[must_use]
    pub fn stop_at_event(self, events: usize) -> Self {
        let place = self.event_end(events);
        self.stop_in_body(place)
    }

    /// Closes the connection after the whole answer.
    #[must_use]
    pub fn then_close(mut self) -> Self {
        self.ending = End::Close;
        self
    }

    /// Waits after so many events. With 0 the head has gone out and no event.
    #[must_use]
    pub fn pause_at_event(mut self, events: usize, pause: &Pause) -> Self {
        let place = self.event_end(events);
        self.pauses.push((place, pause.clone()));
        self
    }

    /// Waits after so many bytes of the body, wherever that is.
    #[must_use]
    pub fn pause_in_body(mut self, bytes: usize, pause: &Pause) -> Self {
        self.pauses.push((bytes, pause.clone()));
        self
    }

    /// Waits before the first byte.
    #[must_use]
    pub fn pause_before_head(mut self, pause: &Pause) -> Self {
        self.before_head = Some(pause.clone());
        self
    }

    /// The count of the bytes that are written, or `None` if they are not counted.
    pub(super) fn sent(&self) -> Option<&AtomicUsize> {
        self.sent.as_deref()
    }

    /// Returns the length of the head in bytes.
    pub fn head_len(&self) -> usize {
        self.head.len()
    }

    /// The body before any coding.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The steps to take on the wire.
    pub(super) fn acts(&self) -> Vec<Act> {
        let mut acts = Vec::new();
        acts.extend(self.before_head.clone().map(Act::Wait));
        if self.ending == End::Never {
            acts.push(Act::WaitForever);
            return acts;
        }
        let mut written = self.head.clone();
        let mut start = 0;
        let (body, whole) = match self.ending {
            End::InBody(bytes) => (&self.body[..bytes.min(self.body.len())], false),
            _ => (&self.body[..], true),
        };
        // The head goes out with the first piece unless something waits between them.
        for place in self.places(body.len()) {
            written.extend(self.coded(&body[start..place]));
            start = place;
            if !written.is_empty() {
                acts.push(Act::Write(std::mem::take(&mut written)));
                acts.extend(self.pace.map(Act::Rest));
            }
            let here = self.pauses.iter().filter(|(pause, _)| *pause == place);
            acts.extend(here.map(|(_, pause)| Act::Wait(pause.clone())));
        }
        if whole && self.coding == Coding::Chunked {
            written.extend_from_slice(b"0\r\n\r\n");
        }
        if !written.is_empty() {
            acts.push(Act::Write(written));
        }
        match self.ending {
            End::AtByte(bytes) => stop_at(acts, bytes),
            End::Close | End::InBody(_) => acts.into_iter().chain([Act::Close]).collect(),
            End::KeepAlive | End::Never => acts,
        }
    }

    /// Returns the places where the body is cut: those that were asked for, the pauses, and the end.
    fn places(&self, end: usize) -> Vec<usize> {
        let pauses = self.pauses.iter().map(|(place, _)| *place);
        let mut places: Vec<usize> = self
            .cuts
            .iter()
            .copied()
            .chain(pauses)
            .filter(|place| *place <= end)
            .collect();
        places.push(end);
        places.sort_unstable();
        places.dedup();
        places
    }

    fn coded(&self, piece: &[u8]) -> Vec<u8> {
        match self.coding {
            // A chunk of no bytes would end the body.
            _ if piece.is_empty() => Vec::new(),
            Coding::Plain => piece.to_vec(),
            Coding::Chunked => {
                [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
            }
        }
    }

    fn event_end(&self, events: usize) -> usize {
        match events.checked_sub(1) {
            None => 0,
            Some(last) => *self
                .events
                .get(last)
                .unwrap_or_else(|| panic!("the answer has no {events} events")),
        }
    }

    fn empty(coding: Coding) -> Self {
        Self {
            head: Vec::new(),
            body: Vec::new(),
            coding,
            cuts: Vec::new(),
            events: Vec::new(),
            pauses: Vec::new(),
            before_head: None,
            pace: None,
            sent: None,
            ending: End::KeepAlive,
        }
    }
}

/// Keeps the first so many bytes of what is written, and closes there.
fn stop_at(acts: Vec<Act>, bytes: usize) -> Vec<Act> {
    let mut left = bytes;
    let mut kept = Vec::new();
    for act in acts {
        match act {
            Act::Write(mut piece) => {
                piece.truncate(left);
                left -= piece.len();
                kept.push(Act::Write(piece));
            }
            other => kept.push(other),
        }
        if left == 0 {
            break;
        }
    }
    kept.push(Act::Close);
    kept
}

fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("HTTP/1.1 {status} Scripted\r\n{lines}\r\n").into_bytes()
}
