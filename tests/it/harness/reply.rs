//! An answer as it arrives, and an answer that has arrived.

use tokio::net::tcp::OwnedReadHalf;

use super::events::{Event, next_event};
use super::wire::{Framing, Head, Headers, Incoming};
use super::within_timeout;

/// An answer whose head has come. Its body is read piece by piece.
#[derive(Debug)]
pub struct Reply<'c> {
    pub status: u16,
    pub headers: Headers,
    head: Head,
    framing: Framing,
    incoming: &'c mut Incoming<OwnedReadHalf>,
    chunks: Vec<Vec<u8>>,
    /// Bytes of the body that `event` hasn't used yet.
    unread: Vec<u8>,
    ending: Option<Ending>,
}

/// The end of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// At the place that its framing announced.
    Complete,
    /// The connection ended first.
    Cut,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// The status line as it came.
    pub start: String,
    pub headers: Headers,
    /// The head's bytes as they came, through the empty line.
    pub raw_head: Vec<u8>,
    pub body: Vec<u8>,
    /// The body as it was cut into chunks, or as it was read where it isn't chunked.
    pub chunks: Vec<Vec<u8>>,
    pub ending: Ending,
}

// === impl Reply ===

impl<'c> Reply<'c> {
    pub(super) fn new(head: Head, method: &str, incoming: &'c mut Incoming<OwnedReadHalf>) -> Self {
        let status = head
            .start
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status line");
        let bodiless = method == "HEAD" || matches!(status, 204 | 304);
        let framing = if bodiless {
            Framing::Length(0)
        } else {
            head.headers.framing().unwrap_or(Framing::UntilClose)
        };
        let ending = (framing == Framing::Length(0)).then_some(Ending::Complete);
        let headers = head.headers.clone();
        Self {
            status,
            headers,
            head,
            framing,
            incoming,
            chunks: Vec::new(),
            unread: Vec::new(),
            ending,
        }
    }

    /// The next chunk as it comes, or nothing at the end, which [`Reply::ending`] then names.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        if self.ending.is_some() {
            return None;
        }
        let read = match self.framing {
            Framing::Chunked => within_timeout("a chunk", self.incoming.chunk()).await,
            Framing::Length(left) => {
                within_timeout("a part of the body", self.incoming.some(left)).await
            }
            Framing::UntilClose => {
                within_timeout("a part of the body", self.incoming.some(usize::MAX)).await
            }
        };
        let Ok(chunk) = read else {
            self.ending = Some(Ending::Cut);
            return None;
        };
        if chunk.is_empty() {
            let cut = matches!(self.framing, Framing::Length(_));
            self.ending = Some(if cut { Ending::Cut } else { Ending::Complete });
            return None;
        }
        if let Framing::Length(left) = &mut self.framing {
            *left -= chunk.len();
            if *left == 0 {
                self.ending = Some(Ending::Complete);
            }
        }
        self.chunks.push(chunk.clone());
        Some(chunk)
    }

    /// The next SSE event, or nothing at the end of the body. An event cut in two by the end is not one.
    pub async fn event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = next_event(&mut self.unread) {
                return Some(event);
            }
            let chunk = self.chunk().await?;
            self.unread.extend(chunk);
        }
    }

    /// Reads what is left. The response holds the whole body, what was read before included.
    pub async fn rest(mut self) -> Response {
        while self.chunk().await.is_some() {}
        Response {
            status: self.status,
            start: self.head.start,
            headers: self.headers,
            raw_head: self.head.raw,
            body: self.chunks.concat(),
            chunks: self.chunks,
            ending: self.ending.unwrap_or(Ending::Cut),
        }
    }
}

// === impl Response ===

impl Response {
    /// The body as text.
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("a body of UTF-8")
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    /// The body as SSE events; a last one that isn't whole is left out.
    pub fn events(&self) -> Vec<Event> {
        let mut unread = self.body.clone();
        std::iter::from_fn(|| next_event(&mut unread)).collect()
    }
}
