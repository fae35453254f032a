//! An HTTP/1.1 connection of a client (RFC 9112).
//!
//! A head is read within its limit, so that a connection holds no more of it while it waits for the rest. A response leaves in as few
//! writes as possible: its head with the beginning of its body. Between requests and during a stream the connection holds no buffer.

mod date;
mod departure;
mod response_body;

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{Method, StatusCode, Version};
use pingora_core::protocols::tls::SslDigest;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;
use witgate_http::{BadRequest, Chunk, RequestHead, ResponseHead, Rest};

use self::response_body::ResponseBody;
use super::{ClientError, ConnectionState};
use crate::listen::activity::Activity;
use crate::listen::write_timeout::WriteTimeout;

/// Room for the first read of a request, in bytes: most heads with a short body.
const FIRST_ROOM: usize = 8 * 1024;

/// Least and most room for a read of a body, in bytes.
const LEAST_ROOM: usize = 8 * 1024;
const MOST_ROOM: usize = 64 * 1024;

/// Most bytes of a body that are read into one buffer at once.
const MOST_AT_ONCE: usize = 256 * 1024;

/// Smallest part of a body in bytes that is not copied behind the head or the size of its chunk.
const LARGE_WRITE: usize = 16 * 1024;

/// Most room for writes that an open stream keeps, in bytes.
const KEPT_ROOM: usize = 2 * 1024;

/// Most unread bytes that are discarded when a connection is closed.
const MAX_DISCARD: usize = 1024 * 1024;

/// The bytes of a connection, or of TLS over it.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> ByteStream for T {}

/// The two ends of a connection.
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
    write_timeout: WriteTimeout,
    /// Bytes that were read and not used.
    read: BytesMut,
    /// Bytes to write.
    out: Vec<u8>,
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
            write_timeout: WriteTimeout::new(write_timeout),
            read: seen.into(),
            out: Vec::new(),
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

    pub(super) async fn read_head(&mut self, max_bytes: usize) -> Result<(), HeadError> {
        self.activity.wait();
        self.status_sent = None;
        self.response = ResponseBody::None;
        self.persistence = Persistence::Close;
        self.early = EarlyResponse::Close;
        if self.idle == Idle::Ended {
            return Err(HeadError::Closed);
        }
        self.idle = Idle::Silent;
        let mut begun = !self.read.is_empty();
        loop {
            // What has not changed is not parsed again.
            if begun && self.parse(max_bytes)? {
                self.activity.begin();
                return Ok(());
            }
            if self.read.len() >= max_bytes {
                return Err(self.cut());
            }
            let room = FIRST_ROOM.min(max_bytes - self.read.len()).max(1);
            match self.fill(room).await {
                Ok(1..) => begun = true,
                Ok(0) | Err(_) => return Err(HeadError::Closed),
            }
        }
    }

    /// Parses the head if it is whole.
    fn parse(&mut self, max_bytes: usize) -> Result<bool, HeadError> {
        let parsed = RequestHead::parse(&self.read).map_err(HeadError::Invalid)?;
        let Some((length, request)) = parsed else {
            return Ok(false);
        };
        let head = self.read.split_to(length);
        self.request = request;
        if length > max_bytes {
            return Err(HeadError::TooLarge);
        }
        // Recipients may accept a bare LF as the end of a line (RFC 9112, section 2.2), and some do not.
        let is_bare = |at: usize| head.get(..at).is_none_or(|before| !before.ends_with(b"\r"));
        if memchr::memchr_iter(b'\n', &head).any(is_bare) {
            return Err(HeadError::BareLineFeed);
        }
        drop(head);
        tracing::trace!(peer = %self.ends.peer, bytes = length, method = %self.request.method, "read the head of a request");
        self.begin()?;
        Ok(true)
    }

    /// Begins the request whose head was parsed.
    fn begin(&mut self) -> Result<(), HeadError> {
        let headers = &self.request.headers;
        self.rest = if headers.contains_key("transfer-encoding") {
            if self.request.version == Version::HTTP_10 {
                // Its framing is faulty (RFC 9112, section 6.1).
                return Err(HeadError::Invalid(BadRequest::Invalid));
            }
            Rest::Chunks(Chunk::Size)
        } else {
            let length = headers.get("content-length");
            let length = length.and_then(|length| length.to_str()?.trim().parse().ok());
            Rest::Length(length.unwrap_or(0))
        };
        self.body = match self.rest {
            Rest::Length(0) => RequestBody::Empty,
            _ => RequestBody::Present,
        };
        let says = |option| headers.has_option("connection", option);
        self.persistence = match self.request.version {
            _ if says("close") => Persistence::Close,
            Version::HTTP_10 if !says("keep-alive") => Persistence::Close,
            _ => Persistence::KeepAlive,
        };
        self.shrink();
        Ok(())
    }

    /// Returns the error for a head that is over the limit, with its beginning as the request if that can be read.
    fn cut(&mut self) -> HeadError {
        self.read.extend_from_slice(b"\r\n\r\n");
        if let Ok(Some((_, request))) = RequestHead::parse(&self.read) {
            self.request = request;
        }
        HeadError::TooLarge
    }

    pub(super) fn set_limits(&mut self, body_timeout: Duration, write_timeout: Duration) {
        self.body_timeout = body_timeout;
        self.write_timeout.set_limit(write_timeout);
    }

    pub(super) fn set_write_timeout(&mut self, limit: Duration) {
        self.write_timeout.set_limit(limit);
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

    pub(super) async fn read_body(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let part = self.rest.take(&mut self.read);
            let part = part.map_err(|_| ClientError::Malformed)?;
            if !part.is_empty() {
                self.shrink();
                return Ok(Some(part));
            }
            if self.rest.is_done() {
                return Ok(None);
            }
            let room = self.next_room();
            match timeout(self.body_timeout, self.fill(room)).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => {
                    self.idle = Idle::Ended;
                    return Err(ClientError::Gone);
                }
                Err(_) => return Err(ClientError::Stalled),
            }
        }
    }

    pub(super) async fn read_body_into(
        &mut self,
        body: &mut Vec<u8>,
    ) -> Result<usize, ClientError> {
        let left = match self.rest {
            Rest::Length(left) if self.read.is_empty() && left > 0 => left,
            _ => {
                let part = self.read_body().await?.unwrap_or_default();
                body.extend_from_slice(&part);
                return Ok(part.len());
            }
        };
        let most = usize::try_from(left).map_or(MOST_AT_ONCE, |left| left.min(MOST_AT_ONCE));
        if body.len() == body.capacity() {
            body.reserve(most);
        }
        let count = self.stream.read_buf(&mut (&mut *body).limit(most)).await;
        match count {
            Ok(count @ 1..) => {
                self.rest = Rest::Length(left - count as u64);
                Ok(count)
            }
            Ok(0) | Err(_) => {
                self.idle = Idle::Ended;
                Err(ClientError::Gone)
            }
        }
    }

    /// Returns the room for the next read of a body: as much as is announced, within bounds.
    fn next_room(&self) -> usize {
        match self.rest {
            Rest::Length(left) | Rest::Chunks(Chunk::Content(left)) => usize::try_from(left)
                .unwrap_or(MOST_ROOM)
                .clamp(LEAST_ROOM, MOST_ROOM),
            _ => LEAST_ROOM,
        }
    }

    /// Reads from the connection. Returns the number of bytes, zero at its end. Cancel safe.
    async fn fill(&mut self, room: usize) -> io::Result<usize> {
        self.read.reserve(room);
        self.stream
            .read_buf(&mut (&mut self.read).limit(room))
            .await
    }

    /// Gives the memory of an empty buffer back.
    fn shrink(&mut self) {
        if self.read.is_empty() {
            self.read = BytesMut::new();
        }
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
        self.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        self.flush(&[], &[]).await
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
        self.out.reserve(1024);
        head.write_status(&mut self.out);
        head.headers.write(&mut self.out);
        if !head.headers.contains_key("date") {
            date::write(&mut self.out);
        }
        let connection: &[u8] = match (self.persistence, self.request.version) {
            (Persistence::Close, _) => b"connection: close\r\n",
            (Persistence::KeepAlive, Version::HTTP_10) => b"connection: keep-alive\r\n",
            (Persistence::KeepAlive, _) => b"",
        };
        self.out.extend_from_slice(connection);
        self.out.extend_from_slice(b"\r\n");
        self.status_sent = Some(head.status);
        tracing::trace!(peer = %self.ends.peer, status = head.status.as_u16(), framing = ?self.response, "sent the head of a response");
        match self.response {
            // The body follows at once.
            ResponseBody::Length(1..) => Ok(()),
            _ => self.flush(&[], &[]).await,
        }
    }

    pub(super) async fn write_body(&mut self, bytes: &[u8], end: bool) -> Result<(), ClientError> {
        let bytes = self.response.admit(bytes);
        tracing::trace!(peer = %self.ends.peer, bytes = bytes.len(), end, "sent a part of a body");
        let mut behind: &[u8] = b"";
        if self.response == ResponseBody::Chunked {
            if !bytes.is_empty() {
                response_body::write_size(&mut self.out, bytes.len());
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
        self.flush(bytes, behind).await?;
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

    /// Writes what is to be written, with two further parts. Small ones are copied, so that they leave in one write.
    async fn flush(&mut self, body: &[u8], behind: &[u8]) -> Result<(), ClientError> {
        let (body, behind): (&[u8], &[u8]) = if body.len() < LARGE_WRITE {
            self.out.extend_from_slice(body);
            self.out.extend_from_slice(behind);
            (&[], &[])
        } else {
            (body, behind)
        };
        let out = std::mem::take(&mut self.out);
        let mut parts = [&out[..], body, behind].map(io::IoSlice::new);
        let mut left = &mut parts[..];
        io::IoSlice::advance_slices(&mut left, 0);
        let written = std::future::poll_fn(|cx| self.poll_write_all(cx, &mut left)).await;
        if out.capacity() <= KEPT_ROOM {
            self.out = out;
            self.out.clear();
        }
        written.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => ClientError::Stalled,
            _ => ClientError::Gone,
        })
    }

    fn poll_write_all(
        &mut self,
        cx: &mut Context<'_>,
        left: &mut &mut [io::IoSlice<'_>],
    ) -> Poll<io::Result<()>> {
        while let Some(first) = left.first() {
            let stream = Pin::new(&mut self.stream);
            let result = if left.len() == 1 {
                stream.poll_write(cx, first)
            } else {
                stream.poll_write_vectored(cx, left)
            };
            match ready!(self.write_timeout.check(result, cx))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => io::IoSlice::advance_slices(left, written),
            }
        }
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.write_timeout.check(result, cx)
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

    /// Reads and discards the rest of the body. Returns whether its end came in time.
    async fn drained(&mut self) -> bool {
        if self.rest.is_done() {
            return true;
        }
        let EarlyResponse::Drain(limit) = self.early else {
            return false;
        };
        let drain = async { while let Ok(Some(_)) = self.read_body().await {} };
        timeout(limit, drain).await.is_ok() && self.rest.is_done()
    }

    pub(super) async fn shutdown(&mut self) {
        tracing::trace!(peer = %self.ends.peer, "closed a connection");
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
