//! An answer over HTTP/1.1 as it is read from its connection.
//!
//! An open stream holds one small buffer, which grows with what a read brings. What one read brings is one piece.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::{StatusCode, Version};
use pingora_core::{Error, ErrorType, OrErr};
use tokio::io::AsyncReadExt;
use witgate_http::{ResponseHead, Rest};

use super::idle_timeout::IdleTimeout;
use crate::Upstream;
use crate::connection::stream::Stream;
use crate::dns::Address;

/// Longest head, in bytes.
const MAX_HEAD: usize = 1024 * 1024;

/// The room for the first read, and for each one while little comes, in bytes.
const LEAST_ROOM: usize = 4 * 1024;

/// The room for a read while much comes, in bytes.
const MOST_ROOM: usize = 64 * 1024;

/// The request that an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::connection) enum AnswerTo {
    /// HEAD, whose answer has no body, whatever its headers say (RFC 9110, section 9.3.2).
    Head,
    /// Another request.
    Other,
}

/// An answer over HTTP/1.1.
pub(in crate::connection) struct Incoming {
    stream: Stream,
    /// Bytes that were read and not used.
    read: BytesMut,
    /// The room for the next read.
    room: usize,
    to: AnswerTo,
    /// The last head that was read.
    head: Option<ResponseHead>,
    rest: Rest,
    /// Longest wait for the next bytes of a body.
    idle: Option<IdleTimeout>,
}

// === impl Incoming ===

impl Incoming {
    pub(in crate::connection) fn new(stream: Stream, to: AnswerTo) -> Self {
        Self {
            stream,
            read: BytesMut::new(),
            room: LEAST_ROOM,
            to,
            head: None,
            rest: Rest::Length(0),
            idle: None,
        }
    }

    /// Reads the next head: that of the answer, or of an interim one before it. Returns its status.
    ///
    /// # Errors
    ///
    /// [`ErrorType::InvalidHTTPHeader`] if it is no head; the connection broke otherwise.
    pub(in crate::connection) async fn read_head(&mut self) -> pingora_core::Result<StatusCode> {
        loop {
            let parsed = ResponseHead::parse(&self.read);
            let parsed = parsed
                .or_else(|bad| Error::e_explain(ErrorType::InvalidHTTPHeader, bad.to_string()))?;
            if let Some((length, head)) = parsed {
                self.read.advance(length);
                self.rest = rest(&head, self.to)?;
                let status = head.status;
                self.head = Some(head);
                return Ok(status);
            }
            if self.read.len() > MAX_HEAD {
                return Error::e_explain(ErrorType::InvalidHTTPHeader, "the head is too long");
            }
            if self.fill().await? == 0 {
                return Error::e_explain(
                    ErrorType::ConnectionClosed,
                    format!("after {} bytes of a head", self.read.len()),
                );
            }
        }
    }

    pub(in crate::connection) fn head(&self) -> Option<&ResponseHead> {
        self.head.as_ref()
    }

    /// Reads the next bytes of the body; `None` is its clean end. Cancel safe.
    pub(in crate::connection) async fn read(&mut self) -> pingora_core::Result<Option<Bytes>> {
        loop {
            let piece = self.rest.take(&mut self.read);
            let piece = piece.or_err(ErrorType::ReadError, "its chunks are not valid")?;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
            if self.rest.is_done() {
                return Ok(None);
            }
            if self.fill().await? > 0 {
                continue;
            }
            if self.rest == Rest::UntilClose {
                self.rest = Rest::Length(0);
                return Ok(None);
            }
            return Error::e_explain(ErrorType::ConnectionClosed, "before the end of the body");
        }
    }

    /// Reads from the connection. Returns the number of bytes, zero at its end. Cancel safe.
    async fn fill(&mut self) -> pingora_core::Result<usize> {
        self.read.reserve(self.room);
        let room = self.read.capacity() - self.read.len();
        let read = self.stream.read_buf(&mut self.read);
        let count = match &mut self.idle {
            Some(idle) => match idle.within(read).await {
                Some(count) => count,
                None => {
                    let limit = idle.limit();
                    return Error::e_explain(
                        ErrorType::ReadTimedout,
                        format!("nothing came for {limit:?}"),
                    );
                }
            },
            None => read.await,
        };
        let count = count.or_err(ErrorType::ReadError, "while it was read")?;
        self.room = if count == room {
            (self.room * 4).min(MOST_ROOM)
        } else {
            // Streams come in small pieces, of which many wait at the same time.
            count.clamp(LEAST_ROOM, MOST_ROOM)
        };
        Ok(count)
    }

    pub(in crate::connection) fn set_idle_timeout(&mut self, idle: Duration) {
        self.idle = Some(IdleTimeout::new(idle));
    }

    pub(in crate::connection) fn is_done(&self) -> bool {
        self.rest.is_done()
    }

    /// Returns the connection to the pool, if it can take another request.
    pub(in crate::connection) fn release(self, upstream: &Upstream, address: &Address) {
        // Bytes behind the answer belong to no request, and more may follow.
        let is_clean = self.rest.is_done() && self.read.is_empty();
        if is_clean
            && self
                .head
                .as_ref()
                .is_some_and(|head| stays_open(head, self.to))
        {
            upstream.idle.put(address.at, self.stream);
        }
    }
}

/// Returns the body that follows a head (RFC 9112, section 6.3).
///
/// # Errors
///
/// [`ErrorType::InvalidHTTPHeader`]: the head does not say where the body ends, or says it twice.
fn rest(head: &ResponseHead, to: AnswerTo) -> pingora_core::Result<Rest> {
    if has_no_body(head, to) {
        return Ok(Rest::Length(0));
    }
    head.rest()
        .or_else(|bad| Error::e_explain(ErrorType::InvalidHTTPHeader, bad.to_string()))
}

/// Returns whether an answer ends with its head.
fn has_no_body(head: &ResponseHead, to: AnswerTo) -> bool {
    let status = head.status;
    to == AnswerTo::Head
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Returns whether the connection of an answer that was read to its end takes another request (RFC 9112, section 9.3).
fn stays_open(head: &ResponseHead, to: AnswerTo) -> bool {
    let ends_by_itself = rest(head, to).is_ok_and(|rest| rest != Rest::UntilClose);
    let persists = match head.version {
        // Its chunks are not to be trusted (RFC 9112, section 6.1).
        Version::HTTP_10 => {
            head.headers.has_option("connection", "keep-alive")
                && !head.headers.contains_key("transfer-encoding")
        }
        _ => true,
    };
    ends_by_itself && persists && !head.headers.has_option("connection", "close")
}

#[cfg(test)]
mod tests;
