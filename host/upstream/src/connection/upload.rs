//! A request whose body is sent piece by piece, over a connection of its own that serves nothing else.
//!
//! The first [`REPLAY_BYTES`] of a body are kept, so that a request which is refused before the upstream was sent more can
//! be sent once more with a renewed credential.

mod heard;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes};
use pingora_core::ErrorType;
use tokio::time::{Instant, timeout, timeout_at};

use self::heard::Heard;
use super::connect::{Link, Purpose};
use super::error::{RequestError, describe};
use super::h1::{self, AnswerTo, Incoming, Persistence};
use super::interim::{Interim, Stage};
use super::response::{Response, Wire};
use crate::Upstream;
use crate::credential::Credential;
use crate::dns::Address;
use crate::limit::Limit;
use crate::request::{Framing, Request};

/// Bytes of a body that are kept to be sent once more. Memory for them is not accounted for elsewhere.
const REPLAY_BYTES: usize = 64 * 1024;

/// The progress of a piece of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The upstream took all of it.
    Whole,
    /// The upstream answered, or closed, before it had taken all.
    Answered,
}

/// A request whose body is being sent.
pub struct Upload {
    stream: Heard,
    address: Arc<Address>,
    framing: Framing,
    idle_timeout: Duration,
    upstream: String,
    /// The body so far; `None` once it is longer than is kept.
    kept: Option<Kept>,
    is_ended: bool,
}

/// A body that was sent, as far as it is kept.
#[derive(Default)]
pub(crate) struct Kept {
    parts: Vec<Bytes>,
    len: usize,
    is_ended: bool,
}

// === impl Upstream ===

impl Upstream {
    /// Connects and sends the head of a request. Its body follows piece by piece.
    ///
    /// # Errors
    ///
    /// [`RequestError`]: there is no connection, or it broke.
    pub(crate) async fn begin(
        &self,
        request: &Request<'_>,
        pooled: Option<&Credential>,
    ) -> Result<Upload, RequestError> {
        let deadline = Instant::now() + self.config.connect_timeout;
        let peers = self.peers(deadline).await?;
        let connecting = Box::pin(self.connect(&peers, Purpose::Single, deadline));
        let (link, address) = connecting.await?;
        let Link::Http1(stream) = link else {
            return Err(self.malformed("it speaks HTTP/2 where HTTP/1.1 was asked for".into()));
        };
        let mut upload = Upload {
            stream: Heard::new(stream),
            address,
            framing: request.framing,
            idle_timeout: self.config.idle_timeout,
            upstream: self.config.name.clone(),
            kept: Some(Kept::default()),
            is_ended: false,
        };
        // A body that broke off must never be continued by another request.
        let head = h1::head(self, request, pooled, Persistence::Close, 0);
        upload.write_all(head).await?;
        Ok(upload)
    }
}

// === impl Upload ===

impl Upload {
    /// Waits until the upstream answers, or closes, before the end of the body. Cancel safe.
    pub async fn answered(&mut self) {
        poll_fn(|cx| self.stream.poll_listen(cx)).await;
    }

    /// Sends a piece of the body. An upstream that answers meanwhile need not take all of it.
    ///
    /// # Errors
    ///
    /// The upstream took nothing for too long.
    pub async fn write(&mut self, part: Bytes) -> Result<Taken, RequestError> {
        if part.is_empty() {
            // An empty chunk would be the last one.
            return Ok(Taken::Whole);
        }
        self.keep(&part);
        match self.framing {
            Framing::None | Framing::Length(_) => self.write_all(part).await,
            Framing::Chunked => {
                let size = Bytes::from(format!("{:x}\r\n", part.len()));
                let chunk = size.chain(part).chain(Bytes::from_static(b"\r\n"));
                self.write_all(chunk).await
            }
        }
    }

    /// Ends the body.
    ///
    /// # Errors
    ///
    /// As [`Upload::write`].
    pub async fn end(&mut self) -> Result<Taken, RequestError> {
        self.is_ended = true;
        match self.framing {
            Framing::None | Framing::Length(_) => Ok(Taken::Whole),
            Framing::Chunked => self.write_all(Bytes::from_static(b"0\r\n\r\n")).await,
        }
    }

    /// Returns whether all of the body has been sent.
    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    fn keep(&mut self, part: &Bytes) {
        self.kept = self.kept.take().and_then(|mut kept| {
            kept.len += part.len();
            kept.parts.push(part.clone());
            (kept.len <= REPLAY_BYTES).then_some(kept)
        });
    }

    /// Sends a body once more, as far as it was sent before.
    ///
    /// # Errors
    ///
    /// As [`Upload::write`].
    pub(crate) async fn resend(&mut self, kept: Kept) -> Result<(), RequestError> {
        for part in kept.parts {
            self.write(part).await?;
        }
        if kept.is_ended {
            self.end().await?;
        }
        Ok(())
    }

    /// Waits for the answer. Returns with it the body, if it was short enough to be kept.
    ///
    /// # Errors
    ///
    /// [`RequestError`]: there is no answer.
    pub(crate) async fn answer(
        self,
        limit: Limit,
    ) -> (Result<Response, RequestError>, Option<Kept>) {
        let Self {
            stream,
            address,
            upstream,
            kept,
            is_ended,
            ..
        } = self;
        let kept = kept.map(|kept| Kept { is_ended, ..kept });
        (answer(stream, address, upstream, limit).await, kept)
    }

    /// Writes and flushes, so that no piece waits for the next one. Stops where the upstream answers: it may not read on.
    async fn write_all(&mut self, mut bytes: impl Buf) -> Result<Taken, RequestError> {
        let stream = &mut self.stream;
        let written = timeout(
            self.idle_timeout,
            poll_fn(|cx| {
                if stream.poll_listen(cx).is_ready() {
                    return Poll::Ready(Taken::Answered);
                }
                match stream.poll_send(cx, &mut bytes) {
                    Poll::Ready(Ok(())) => Poll::Ready(Taken::Whole),
                    // The upstream may have given a reason before it closed.
                    Poll::Ready(Err(_)) => Poll::Ready(Taken::Answered),
                    Poll::Pending => Poll::Pending,
                }
            }),
        );
        written.await.map_err(|_| RequestError::Timeout {
            upstream: self.upstream.clone(),
            limit: Limit::of_upstream(self.idle_timeout),
        })
    }
}

async fn answer(
    stream: Heard,
    address: Arc<Address>,
    upstream: String,
    limit: Limit,
) -> Result<Response, RequestError> {
    let deadline = Instant::now() + limit.after;
    let mut incoming = Box::new(Incoming::new(Box::new(stream), AnswerTo::Other));
    let mut interim = Interim::default();
    loop {
        let status = match timeout_at(deadline, incoming.read_head()).await {
            Err(_) => return Err(RequestError::Timeout { upstream, limit }),
            Ok(Err(error)) => {
                let reason = describe(&error);
                return Err(if *error.etype() == ErrorType::InvalidHTTPHeader {
                    RequestError::Malformed { upstream, reason }
                } else {
                    RequestError::Broken { upstream, reason }
                });
            }
            Ok(Ok(status)) => status,
        };
        match interim.classify(status) {
            Ok(Stage::Interim) => {}
            Ok(Stage::Final) => return Ok(Response::new(Wire::Http1(incoming), address)),
            Err(unending) => {
                let reason = unending.to_string();
                return Err(RequestError::Malformed { upstream, reason });
            }
        }
    }
}
