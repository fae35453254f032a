//! A stream of an HTTP/2 connection of a client, over the HTTP layer (RFC 9113).

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use pingora_core::ErrorType::{ConnectionClosed, ReadError, ReadTimedout, WriteTimedout};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::{self, server};
use pingora_core::protocols::tls::SslDigest;
use pingora_http::ResponseHeader;
use tokio::time::timeout;
use witgate_http::{RequestHead, ResponseHead};

use super::{ClientError, ConnectionState, HeadError};

/// A stream with its request.
pub(crate) struct Http2 {
    session: ServerSession,
    request: RequestHead,
}

// === impl Http2 ===

impl Http2 {
    /// Returns the session of a stream that was opened.
    pub(crate) fn new(session: server::HttpSession) -> Self {
        let session = ServerSession::new_http2(session);
        let head = session.req_header();
        let path = String::from_utf8_lossy(head.raw_path());
        let request = RequestHead::of_http2(head.method.clone(), &path, &head.headers);
        Self { session, request }
    }

    pub(super) async fn read_head(&mut self) -> Result<(), HeadError> {
        // It has come with the stream.
        match self.session.read_request().await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(HeadError::Closed),
        }
    }

    pub(super) fn set_limits(&mut self, body_timeout: Duration, write_timeout: Duration) {
        self.session.set_read_timeout(Some(body_timeout));
        self.set_write_timeout(write_timeout);
    }

    /// Bounds a stream whose window stays closed, which the connection does not notice.
    pub(super) fn set_write_timeout(&mut self, limit: Duration) {
        self.session.set_write_timeout(Some(limit));
    }

    pub(super) fn request(&self) -> &RequestHead {
        &self.request
    }

    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.session.client_addr()?.as_inet().copied()
    }

    pub(super) fn tls(&self) -> Option<Arc<SslDigest>> {
        self.session.digest()?.ssl_digest.clone()
    }

    pub(super) fn is_body_empty(&mut self) -> bool {
        self.session.is_body_empty()
    }

    pub(super) async fn read_body(&mut self) -> Result<Option<Bytes>, ClientError> {
        let read = self.session.read_request_body().await;
        read.map_err(|error| match error.etype() {
            ReadTimedout => ClientError::Stalled,
            ConnectionClosed | ReadError => ClientError::Gone,
            _ => ClientError::Malformed,
        })
    }

    pub(super) async fn left(&mut self) {
        while self.session.read_body_or_idle(true).await.is_ok() {}
    }

    pub(super) fn status_sent(&self) -> Option<StatusCode> {
        let head = self.session.response_written()?;
        (!head.status.is_informational()).then_some(head.status)
    }

    pub(super) async fn write_continue(&mut self) -> Result<(), ClientError> {
        let written = self.session.write_continue_response().await;
        written.map_err(|error| unwritten(&error))
    }

    pub(super) async fn write_head(&mut self, head: &ResponseHead) -> Result<(), ClientError> {
        let built = http2_head(head).map_err(|error| unwritten(&error))?;
        let written = self.session.write_response_header(Box::new(built)).await;
        written.map_err(|error| unwritten(&error))
    }

    pub(super) async fn write_body(&mut self, bytes: Bytes, end: bool) -> Result<(), ClientError> {
        let written = self.session.write_response_body(bytes, end).await;
        written.map_err(|error| unwritten(&error))
    }

    /// Writes the last body to a client that may keep its window closed. Meanwhile the rest of the request is read and discarded, so
    /// that a client without a key occupies no memory. The end of the session resets the stream, which rejects anything that follows.
    pub(super) async fn write_last_body(
        &mut self,
        bytes: Bytes,
        linger: Duration,
    ) -> Result<(), ClientError> {
        let ServerSession::H2(stream) = &mut self.session else {
            return Ok(());
        };
        let Some(mut writer) = stream.take_response_body_writer() else {
            return Ok(());
        };
        let write = timeout(linger, v2::write_body(&mut writer, bytes, true, None));
        let forget = async {
            while let Ok(Some(_)) = stream.read_body_bytes().await {}
            pending().await
        };
        tokio::select! {
            biased;
            written = write => match written {
                Ok(written) => written.map_err(|error| unwritten(&error)),
                Err(_) => Err(ClientError::Stalled),
            },
            never = forget => never,
        }
    }

    pub(super) async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<(), ClientError> {
        let written = self.session.write_response_trailers(trailers).await;
        written.map_err(|error| unwritten(&error))
    }

    pub(super) async fn finish(&mut self) -> ConnectionState {
        // The end of the stream says nothing of its connection.
        let _ = self.session.finish_body().await;
        ConnectionState::Closed
    }

    pub(super) async fn shutdown(&mut self) {
        self.session.shutdown().await;
    }
}

/// Returns a head in the form of the HTTP layer.
fn http2_head(head: &ResponseHead) -> pingora_core::Result<ResponseHeader> {
    let mut built = ResponseHeader::build(head.status, Some(head.headers.len()))?;
    for header in head.headers.iter() {
        built.append_header(header.name.to_owned(), header.value.as_bytes())?;
    }
    Ok(built)
}

fn unwritten(error: &pingora_core::Error) -> ClientError {
    match error.etype() {
        WriteTimedout => ClientError::Stalled,
        _ => ClientError::Gone,
    }
}
