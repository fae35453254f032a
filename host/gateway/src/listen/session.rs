//! A client's request as it comes over its connection, and the response to it.
//!
//! HTTP/1.1 is read and written here, because a head that goes through a general-purpose layer is built, copied and hashed several
//! times; HTTP/2 is the HTTP layer's. Both look the same to an exchange.

mod dialect;
mod http1;
mod http2;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use pingora_core::protocols::tls::SslDigest;
use witgate_http::{RequestHead, ResponseHead, Value};
use witgate_runtime::Translation;

use self::dialect::Dialect;
pub(crate) use self::http1::{ByteStream, Ends, HeadError, Http1};
pub(crate) use self::http2::Http2;
use crate::config::Limits;

/// A request of a client, with the connection that it came over.
pub(crate) struct HttpSession {
    wire: Wire,
    /// The translation of the request and its response, if a plugin claims the path.
    dialect: Option<Box<Dialect>>,
}

/// The connection, or the stream of one.
enum Wire {
    Http1(Box<Http1>),
    Http2(Box<Http2>),
}

/// The reason why a client's bytes can't be read or it can't be sent any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClientError {
    /// It has closed its connection, or reset its stream.
    #[error("the client disconnected")]
    Gone,
    /// It sent nothing, or took nothing, for too long.
    #[error("the client stalled")]
    Stalled,
    /// Its body is not framed as its head says.
    #[error("the body of the request is not framed as its head says")]
    Malformed,
}

/// The state of a connection after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionState {
    /// The next request can be read.
    Open,
    Closed,
}

// === impl HttpSession ===

impl From<Box<Http1>> for HttpSession {
    fn from(http1: Box<Http1>) -> Self {
        Self::over(Wire::Http1(http1))
    }
}

impl From<Box<Http2>> for HttpSession {
    fn from(http2: Box<Http2>) -> Self {
        Self::over(Wire::Http2(http2))
    }
}

impl HttpSession {
    const fn over(wire: Wire) -> Self {
        Self {
            wire,
            dialect: None,
        }
    }

    /// Lets the response go through a translation from now on.
    pub(crate) fn translate(&mut self, translation: Translation) {
        self.dialect = Some(Box::new(Dialect::new(translation)));
    }

    /// Returns the translation of the request, if a plugin claims it.
    pub(crate) fn dialect(&mut self) -> Option<&mut Dialect> {
        self.dialect.as_deref_mut()
    }

    /// Waits for a request and reads its head, of at most so many bytes over HTTP/1.1. Cancel safe.
    ///
    /// # Errors
    ///
    /// There is no request that can be served.
    pub(crate) async fn read_head(&mut self, max_bytes: usize) -> Result<(), HeadError> {
        match &mut self.wire {
            Wire::Http1(http1) => http1.read_head(max_bytes).await,
            Wire::Http2(http2) => http2.read_head().await,
        }
    }

    /// Sets the limits of the request that is read next: the longest time without a byte of its body, and the longest time in which
    /// the client takes nothing.
    pub(crate) fn set_limits(&mut self, limits: &Limits) {
        match &mut self.wire {
            Wire::Http1(http1) => http1.set_limits(limits.body_timeout, limits.write_timeout),
            Wire::Http2(http2) => http2.set_limits(limits.body_timeout, limits.write_timeout),
        }
    }

    /// Sets the longest time in which the client takes nothing.
    pub(crate) fn set_write_timeout(&mut self, limit: Duration) {
        match &mut self.wire {
            Wire::Http1(http1) => http1.set_write_timeout(limit),
            Wire::Http2(http2) => http2.set_write_timeout(limit),
        }
    }

    /// Returns the head of the request: of the one that is asked in place of the client's, once that is known.
    pub(crate) fn request(&self) -> &RequestHead {
        if let Some(asked) = self.dialect.as_ref().and_then(|dialect| dialect.asked()) {
            return asked;
        }
        match &self.wire {
            Wire::Http1(http1) => http1.request(),
            Wire::Http2(http2) => http2.request(),
        }
    }

    /// Returns the first value of a header of the request, whose name is given in lower case.
    pub(crate) fn header(&self, name: impl AsRef<str>) -> Option<Value<'_>> {
        self.request().headers.get(name)
    }

    /// Returns whether the request came over HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        matches!(self.wire, Wire::Http2(_))
    }

    /// Returns the address of the client, or of the proxy in front that reported none.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        match &self.wire {
            Wire::Http1(http1) => http1.peer(),
            Wire::Http2(http2) => http2.peer(),
        }
    }

    /// Returns what is known of the connection's TLS, or `None` without TLS.
    pub(crate) fn tls(&self) -> Option<Arc<SslDigest>> {
        match &self.wire {
            Wire::Http1(http1) => http1.tls(),
            Wire::Http2(http2) => http2.tls(),
        }
    }

    /// Returns whether the request has no body.
    pub(crate) fn is_body_empty(&mut self) -> bool {
        match &mut self.wire {
            Wire::Http1(http1) => http1.is_body_empty(),
            Wire::Http2(http2) => http2.is_body_empty(),
        }
    }

    /// Reads the next bytes of the body; `None` is its end. Cancel safe.
    ///
    /// # Errors
    ///
    /// The client disconnected, stalled, or framed its body wrongly.
    pub(crate) async fn read_body(&mut self) -> Result<Option<Bytes>, ClientError> {
        match &mut self.wire {
            Wire::Http1(http1) => http1.read_body().await,
            Wire::Http2(http2) => http2.read_body().await,
        }
    }

    /// Reads the next bytes of the body behind those in `body`, straight into it where that is possible. Returns their number, 0 at
    /// the end. Reads at most what `body` has room for, if it has room.
    ///
    /// # Errors
    ///
    /// As [`HttpSession::read_body`].
    pub(crate) async fn read_body_into(
        &mut self,
        body: &mut Vec<u8>,
    ) -> Result<usize, ClientError> {
        if let Wire::Http1(http1) = &mut self.wire {
            return http1.read_body_into(body).await;
        }
        let part = self.read_body().await?.unwrap_or_default();
        body.extend_from_slice(&part);
        Ok(part.len())
    }

    /// Completes when the client closes its connection or resets its stream, its body read or not. Cancel safe.
    pub(crate) async fn left(&mut self) {
        match &mut self.wire {
            Wire::Http1(http1) => http1.left().await,
            Wire::Http2(http2) => http2.left().await,
        }
    }

    /// Returns the status of the response whose head has been sent. That of a response that waits to be translated has not.
    pub(crate) fn status_sent(&self) -> Option<StatusCode> {
        match &self.wire {
            Wire::Http1(http1) => http1.status_sent(),
            Wire::Http2(http2) => http2.status_sent(),
        }
    }

    /// Tells a client that waits for it to send its body.
    ///
    /// # Errors
    ///
    /// The client disconnected.
    pub(crate) async fn write_continue(&mut self) -> Result<(), ClientError> {
        match &mut self.wire {
            Wire::Http1(http1) => http1.write_continue().await,
            Wire::Http2(http2) => http2.write_continue().await,
        }
    }

    /// Sends the head of the response. If a body follows, it leaves with the first bytes of that, or when it is flushed.
    ///
    /// # Errors
    ///
    /// The client disconnected, or takes nothing.
    pub(crate) async fn write_head(&mut self, head: &ResponseHead) -> Result<(), ClientError> {
        if let Some(dialect) = &mut self.dialect {
            return Box::pin(dialect.write_head(&mut self.wire, head)).await;
        }
        match &mut self.wire {
            Wire::Http1(http1) => http1.write_head(head).await,
            Wire::Http2(http2) => http2.write_head(head).await,
        }
    }

    /// Returns whether the head of the response waits for its body.
    pub(crate) fn has_unsent(&mut self) -> bool {
        match &mut self.wire {
            Wire::Http1(http1) => http1.has_unsent(),
            Wire::Http2(_) => false,
        }
    }

    /// Sends the head of the response if it waits for its body.
    ///
    /// # Errors
    ///
    /// The client disconnected, or takes nothing.
    pub(crate) async fn flush(&mut self) -> Result<(), ClientError> {
        match &mut self.wire {
            Wire::Http1(http1) => http1.flush().await,
            Wire::Http2(_) => Ok(()),
        }
    }

    /// Sends bytes of the body, and its end.
    ///
    /// # Errors
    ///
    /// The client disconnected, or takes nothing; or the body ends before its length.
    pub(crate) async fn write_body(&mut self, bytes: Bytes, end: bool) -> Result<(), ClientError> {
        if let Some(dialect) = &mut self.dialect {
            return Box::pin(dialect.write_body(&mut self.wire, bytes, end)).await;
        }
        match &mut self.wire {
            Wire::Http1(http1) => http1.write_body(&bytes, end).await,
            Wire::Http2(http2) => http2.write_body(bytes, end).await,
        }
    }

    /// Sends a body that refuses the request, while the rest of the request is read and discarded for up to so long: a connection that
    /// is closed with unread bytes is reset, and the reset can overtake the response.
    ///
    /// # Errors
    ///
    /// The client disconnected, or takes nothing.
    pub(crate) async fn write_last_body(
        &mut self,
        bytes: Bytes,
        linger: Duration,
    ) -> Result<(), ClientError> {
        if let Some(dialect) = &mut self.dialect {
            return Box::pin(dialect.write_body(&mut self.wire, bytes, true)).await;
        }
        match &mut self.wire {
            Wire::Http1(http1) => http1.write_body(&bytes, true).await,
            Wire::Http2(http2) => http2.write_last_body(bytes, linger).await,
        }
    }

    /// Sends trailers, which end the body. Over HTTP/1.1 they are left out: the client would have to ask for them.
    ///
    /// # Errors
    ///
    /// The client disconnected, or takes nothing.
    pub(crate) async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<(), ClientError> {
        if let Some(dialect) = &mut self.dialect {
            // They are about a body that the client does not get.
            return Box::pin(dialect.write_body(&mut self.wire, Bytes::new(), true)).await;
        }
        match &mut self.wire {
            Wire::Http1(http1) => http1.write_body(&[], true).await,
            Wire::Http2(http2) => http2.write_trailers(trailers).await,
        }
    }

    /// Closes the connection after the response. An HTTP/2 connection stays open.
    pub(crate) fn close_afterwards(&mut self) {
        if let Wire::Http1(http1) = &mut self.wire {
            http1.close_afterwards();
        }
    }

    /// Keeps a connection on which a response begins before its request has ended: the rest of the body is read and discarded, for up
    /// to so long.
    pub(crate) fn drain_afterwards(&mut self, limit: Duration) {
        if let Wire::Http1(http1) = &mut self.wire {
            http1.drain_afterwards(limit);
        }
    }

    /// Ends the response. Returns whether the connection takes another request.
    pub(crate) async fn finish(&mut self) -> ConnectionState {
        self.dialect = None;
        match &mut self.wire {
            Wire::Http1(http1) => http1.finish().await,
            Wire::Http2(http2) => http2.finish().await,
        }
    }

    /// Closes the connection, or resets the stream.
    pub(crate) async fn shutdown(&mut self) {
        match &mut self.wire {
            Wire::Http1(http1) => http1.shutdown().await,
            Wire::Http2(http2) => http2.shutdown().await,
        }
    }
}

// === impl Wire ===

impl Wire {
    async fn write_head(&mut self, head: &ResponseHead) -> Result<(), ClientError> {
        match self {
            Self::Http1(http1) => http1.write_head(head).await,
            Self::Http2(http2) => http2.write_head(head).await,
        }
    }

    async fn write_body(&mut self, bytes: Bytes, end: bool) -> Result<(), ClientError> {
        match self {
            Self::Http1(http1) => http1.write_body(&bytes, end).await,
            Self::Http2(http2) => http2.write_body(bytes, end).await,
        }
    }
}
