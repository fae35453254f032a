//! An HTTP/1.1 connection of a client (RFC 9112).
//!
//! A head is read within its limit, so that a connection holds no more of it while it waits for the rest. A response leaves in as few
//! writes as possible: its head with the beginning of its body. Between requests and during a stream the connection holds no buffer.

mod body;
mod date;
mod departure;
mod head;
mod output;
mod response_body;

use std::future::pending;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use http::{Method, StatusCode, Version};
use pingora_core::protocols::tls::SslDigest;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use witgate_http::{BadRequest, RequestHead, ResponseHead, Rest};

use self::output::Output;
use self::response_body::ResponseBody;
use super::{ClientError, ConnectionState};
use crate::listen::activity::Activity;

/// Most unread bytes that are discarded when a connection is closed.
const MAX_DISCARD: usize = 1024 * 1024;

/// The bytes of a connection, or of TLS over it.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> ByteStream for T {}

/// The facts about a connection that do not change.
pub(crate) struct Ends {
    /// The address of the client, or the one that a trusted proxy reports.
    pub(crate) peer: SocketAddr,
    /// The TLS of the connection.
    pub(crate) tls: Option<Arc<SslDigest>>,
    /// The socket of the connection.
    pub(crate) fd: RawFd,
}

/// A connection, with the request that is served.
pub(crate) struct Http1 {
    stream: Box<dyn ByteStream>,
    ends: Ends,
    activity: Activity,
    body_timeout: Duration,
    /// Bytes that were read and not used.
    read: BytesMut,
    out: Output,
    request: RequestHead,
    rest: Rest,
    body: RequestBody,
    response: ResponseBody,
    status_sent: Option<StatusCode>,
    persistence: Persistence,
    early: EarlyResponse,
    idle: Idle,
}

/// The reason why there is no request to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// The client closed the connection, before a request or in its head.
    Closed,
    /// The head is larger than the limit. Its beginning is [`Http1::request`] if it could be read.
    TooLarge,
    /// The head is not valid.
    Invalid(BadRequest),
    /// A line of the head ends without a carriage return.
    BareLineFeed,
}

/// The body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestBody {
    Empty,
    Present,
}

/// The use of a connection after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Persistence {
    KeepAlive,
    Close,
}

/// The consequence of a response that begins before its request has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EarlyResponse {
    /// The connection is closed.
    Close,
    /// The rest of the body is read and discarded, for up to this time.
    Drain(Duration),
}

/// The bytes of a client whose request has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Idle {
    Silent,
    /// The beginning of the next request has come.
    Ahead,
    /// The end of the connection has come.
    Ended,
}

// === impl Http1 ===

impl Http1 {
    /// Returns a connection before its first request, of which `seen` has been read.
    pub(crate) fn new(
        stream: Box<dyn ByteStream>,
        ends: Ends,
        seen: &[u8],
        write_timeout: Duration,
        activity: Activity,
    ) -> Self {
        Self {
            stream,
            ends,
            activity,
            body_timeout: Duration::MAX,
            read: seen.into(),
            out: Output::new(write_timeout),
            request: RequestHead {
                method: Method::GET,
                path: "/".into(),
                version: Version::HTTP_11,
                headers: witgate_http::Headers::default(),
            },
            rest: Rest::Length(0),
            body: RequestBody::Empty,
            response: ResponseBody::None,
            status_sent: None,
            persistence: Persistence::Close,
            early: EarlyResponse::Close,
            idle: Idle::Silent,
        }
    }

    pub(super) fn set_limits(&mut self, body_timeout: Duration, write_timeout: Duration) {
        self.body_timeout = body_timeout;
        self.out.set_timeout(write_timeout);
    }

    pub(super) fn set_write_timeout(&mut self, limit: Duration) {
        self.out.set_timeout(limit);
    }

    pub(super) fn request(&self) -> &RequestHead {
        &self.request
    }

    pub(super) fn peer(&self) -> Option<SocketAddr> {
        Some(self.ends.peer)
    }

    pub(super) fn tls(&self) -> Option<Arc<SslDigest>> {
        self.ends.tls.clone()
    }

    pub(super) fn is_body_empty(&self) -> bool {
        self.body == RequestBody::Empty
    }

    pub(super) async fn left(&mut self) {
        if !self.rest.is_done() {
            return departure::hung_up(self.ends.fd).await;
        }
        match self.idle {
            Idle::Silent => {}
            Idle::Ahead => pending().await,
            Idle::Ended => return,
        }
        // One byte, because an open stream holds no buffer.
        let mut probe = [0];
        match self.stream.read(&mut probe).await {
            Ok(1..) => {
                self.read.extend_from_slice(&probe);
                self.idle = Idle::Ahead;
                pending::<()>().await;
            }
            Ok(0) | Err(_) => {
                self.idle = Idle::Ended;
                self.persistence = Persistence::Close;
            }
        }
    }

    pub(super) fn status_sent(&self) -> Option<StatusCode> {
        self.status_sent
    }

    pub(super) async fn write_continue(&mut self) -> Result<(), ClientError> {
        self.out
            .bytes()
            .extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        self.out.flush(&mut self.stream, &[], &[]).await
    }

    pub(super) async fn write_head(&mut self, head: &ResponseHead) -> Result<(), ClientError> {
        if self.status_sent.is_some() {
            return Ok(());
        }
        if !self.rest.is_done() && self.early == EarlyResponse::Close {
            self.persistence = Persistence::Close;
        }
        self.response = ResponseBody::of(head, &self.request.method);
        if self.response == ResponseBody::UntilClose {
            self.persistence = Persistence::Close;
        }
        let out = self.out.bytes();
        out.reserve(1024);
        head.write_status(out);
        head.headers.write(out);
        if !head.headers.contains_key("date") {
            date::write(out);
        }
        let connection: &[u8] = match (self.persistence, self.request.version) {
            (Persistence::Close, _) => b"connection: close\r\n",
            (Persistence::KeepAlive, Version::HTTP_10) => b"connection: keep-alive\r\n",
            (Persistence::KeepAlive, _) => b"",
        };
        out.extend_from_slice(connection);
        out.extend_from_slice(b"\r\n");
        self.status_sent = Some(head.status);
        tracing::trace!(peer = %self.ends.peer, status = head.status.as_u16(), framing = ?self.response, "sent the head of a response");
        match self.response {
            ResponseBody::None => self.flush().await,
            // It leaves with the beginning of the body.
            _ => Ok(()),
        }
    }

    pub(super) fn has_unsent(&mut self) -> bool {
        !self.out.bytes().is_empty()
    }

    pub(super) async fn flush(&mut self) -> Result<(), ClientError> {
        self.out.flush(&mut self.stream, &[], &[]).await
    }

    pub(super) async fn write_body(&mut self, bytes: &[u8], end: bool) -> Result<(), ClientError> {
        let bytes = self.response.admit(bytes);
        tracing::trace!(peer = %self.ends.peer, bytes = bytes.len(), end, "sent a part of a body");
        let mut behind: &[u8] = b"";
        if self.response == ResponseBody::Chunked {
            if !bytes.is_empty() {
                response_body::write_size(self.out.bytes(), bytes.len());
                behind = b"\r\n";
            }
            if end {
                behind = if bytes.is_empty() {
                    b"0\r\n\r\n"
                } else {
                    b"\r\n0\r\n\r\n"
                };
            }
        }
        self.out.flush(&mut self.stream, bytes, behind).await?;
        if !end {
            return Ok(());
        }
        match self.response {
            ResponseBody::Length(1..) => {
                // The client can't know where the next response begins.
                self.persistence = Persistence::Close;
                Err(ClientError::Gone)
            }
            _ => {
                self.response = ResponseBody::None;
                Ok(())
            }
        }
    }

    pub(super) fn close_afterwards(&mut self) {
        self.persistence = Persistence::Close;
    }

    pub(super) fn drain_afterwards(&mut self, limit: Duration) {
        self.early = EarlyResponse::Drain(limit);
    }

    pub(super) async fn finish(&mut self) -> ConnectionState {
        let ended = match self.response {
            ResponseBody::Chunked => self.write_body(&[], true).await.is_ok(),
            ResponseBody::Length(1..) => false,
            _ => true,
        };
        let is_over = self.status_sent.is_none() || !ended;
        if is_over || self.persistence == Persistence::Close || !self.drained().await {
            self.shutdown().await;
            return ConnectionState::Closed;
        }
        ConnectionState::Open
    }

    pub(super) async fn shutdown(&mut self) {
        tracing::trace!(peer = %self.ends.peer, "closed a connection");
        if self.has_unsent() {
            let _ = self.flush().await;
        }
        // An error means that the client is already gone.
        let _ = self.stream.shutdown().await;
        // Closing with unread input resets the connection, and the reset can overtake a response that says why. So the available input
        // is read, without waiting for more.
        std::future::poll_fn(|cx| {
            self.discard(cx);
            Poll::Ready(())
        })
        .await;
    }

    fn discard(&mut self, cx: &mut Context<'_>) {
        let mut scratch = [0; 4096];
        let mut left = MAX_DISCARD;
        while left > 0 {
            let mut buf = ReadBuf::new(&mut scratch);
            let polled = Pin::new(&mut self.stream).poll_read(cx, &mut buf);
            let read = buf.filled().len();
            if read == 0 || !matches!(polled, Poll::Ready(Ok(()))) {
                return;
            }
            left = left.saturating_sub(read);
        }
    }
}

#[cfg(test)]
mod tests;
