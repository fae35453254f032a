//! HTTP/2: a request is a stream among others on one connection.
//!
//! The body is sent as the upstream's flow control allows, while the answer is awaited: a server may answer before it has
//! read all. Flow control of an answer follows its client, so that a slow client holds up its own stream only. An answer
//! that is dropped resets its stream.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme as UriScheme;
use http::{HeaderMap, Uri, header};
use pingora_core::protocols::http::v2::client::Http2Session;
use pingora_core::protocols::http::v2::write_body;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, RetryType};
use pingora_http::RequestHeader;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use witgate_http::ResponseHead;

use super::departure::Departure;
use super::error::{Failure, RequestError, describe};
use super::fields::{self, Field};
use super::interim;
use crate::Upstream;
use crate::config::Scheme;
use crate::credential::Credential;
use crate::limit::Limit;
use crate::provider::Destination;
use crate::request::Request;

/// An answer over HTTP/2.
pub(super) struct Incoming {
    session: Http2Session,
    head: Option<ResponseHead>,
    /// The rest of a request that was answered before it was sent.
    upload: Option<Upload>,
    end: End,
}

/// The end of the answer.
enum End {
    Ahead,
    Reached(Option<HeaderMap>),
}

/// A body that is still being sent, stopped when its answer is dropped.
struct Upload(JoinHandle<()>);

type Sending = Pin<Box<dyn Future<Output = pingora_core::Result<()>> + Send>>;

// === impl Upstream ===

impl Upstream {
    pub(super) async fn send_http2(
        &self,
        mut session: Box<Http2Session>,
        (request, pooled): (&Request<'_>, Option<&Credential>),
        departure: &Departure,
        limit: Limit,
        reused: bool,
    ) -> Result<Box<Incoming>, Failure> {
        let body = request.body;
        let head = self.http2_head(request, pooled).map_err(Failure::Final)?;
        session
            .write_request_header(Box::new(head), body.is_empty())
            .map_err(|error| self.failure(&error, reused))?;
        let mut sending = send(&mut session, body);
        if sending.is_none() {
            departure.complete();
        }

        let head_read = {
            let head_read = interim::counted(session.read_response_header());
            let mut head_read = pin!(timeout(limit.after, head_read));
            loop {
                tokio::select! {
                    read = &mut head_read => break read,
                    // A server that refuses a body stops its stream; what it answered says more than that.
                    sent = running(&mut sending) => {
                        sending = None;
                        if sent.is_ok() {
                            departure.complete();
                        }
                    }
                }
            }
        };
        match head_read {
            Err(_) => Err(Failure::Final(self.timeout(limit))),
            Ok(Err(unending)) => Err(Failure::Final(self.malformed(unending.to_string()))),
            Ok(Ok(Err(error))) => Err(self.failure(&error, reused)),
            Ok(Ok(Ok(()))) => {
                let head = session
                    .response_header()
                    .map(|head| ResponseHead::of_http2(head.status, &head.headers));
                Ok(Box::new(Incoming {
                    session: *session,
                    head,
                    upload: sending.map(Upload::start),
                    end: End::Ahead,
                }))
            }
        }
    }

    /// Returns the head in the form of HTTP/2 (RFC 9113, section 8.3.1): `Host` becomes `:authority`, names are lower case,
    /// the order stays.
    fn http2_head(
        &self,
        request: &Request<'_>,
        pooled: Option<&Credential>,
    ) -> Result<RequestHeader, RequestError> {
        let Destination {
            prefix,
            path,
            credential,
        } = self.provider().destination(self, request.path);
        let credential = pooled.unwrap_or(&credential);
        let scheme = match self.config.base.scheme {
            Scheme::Http => UriScheme::HTTP,
            Scheme::Https => UriScheme::HTTPS,
        };
        let target = [prefix, path].concat();
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(self.authority.as_str())
            .path_and_query(target.as_str())
            .build()
            .map_err(|error| self.unsendable(format!("its path is not valid ({error})")))?;
        let unsendable = |error: Box<Error>| self.unsendable(error.etype().as_str().to_owned());
        let method = request.method.as_str();
        let mut head =
            RequestHeader::build_no_case(method, target.as_bytes(), Some(request.headers.len()))
                .map_err(unsendable)?;
        head.set_uri(uri);

        fields::each(request, credential, |field| {
            match field {
                // `:authority` says it.
                Field::Host { .. } => return Ok(()),
                Field::Length { length, .. } => head.append_header(header::CONTENT_LENGTH, length),
                Field::Given(given) => {
                    head.append_header(given.name.to_owned(), given.value.as_bytes())
                }
                Field::Credential(name, value) => head.append_header(name.clone(), value.clone()),
            }
            .map(drop)
            .map_err(unsendable)
        })?;
        Ok(head)
    }

    /// Classifies a stream that ended before its answer. The request was not processed when the server says so (GOAWAY or
    /// REFUSED_STREAM, RFC 9113, section 8.7), or when a pooled connection was closed.
    fn failure(&self, error: &Error, reused: bool) -> Failure {
        let unprocessed = match error.retry {
            RetryType::Decided(unprocessed) => unprocessed,
            RetryType::ReusedOnly => reused,
        };
        let failed = match *error.etype() {
            ErrorType::InvalidH2 | ErrorType::InvalidHTTPHeader => {
                return Failure::Final(self.malformed(reason(error)));
            }
            ErrorType::ReadTimedout => return Failure::Final(self.broken(describe(error))),
            _ => self.broken(reason(error)),
        };
        if unprocessed {
            Failure::Retriable(failed)
        } else if error.etype() == &ErrorType::ReadError {
            // The connection itself failed.
            Failure::on(failed, reused)
        } else {
            Failure::Final(failed)
        }
    }
}

/// Describes an error by the cause that the HTTP/2 layer gave, which the outer error hides.
fn reason(error: &Error) -> String {
    format!("{} ({})", error.etype().as_str(), error.root_cause())
}

/// Starts to send the body. Returns `None` when there is nothing to send.
fn send(session: &mut Http2Session, body: &[Bytes]) -> Option<Sending> {
    if body.is_empty() {
        return None;
    }
    let mut writer = session.take_request_body_writer()?;
    // The answer may outlive the request's own parts; copies of them are only counted.
    let parts = body.to_vec();
    Some(Box::pin(async move {
        let last = parts.len().saturating_sub(1);
        for (index, part) in parts.into_iter().enumerate() {
            write_body(&mut writer, part, index == last, None).await?;
        }
        Ok(())
    }))
}

/// Waits for the end of the sending, for ever when there is none.
async fn running(sending: &mut Option<Sending>) -> pingora_core::Result<()> {
    match sending {
        Some(sending) => sending.await,
        None => std::future::pending().await,
    }
}

// === impl Upload ===

impl Upload {
    fn start(sending: Sending) -> Self {
        Self(tokio::spawn(async move {
            // The answer is there already.
            let _ = sending.await;
        }))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.0.abort();
    }
}

// === impl Incoming ===

impl Incoming {
    pub(super) fn head(&self) -> Option<&ResponseHead> {
        self.head.as_ref()
    }

    pub(super) async fn read(&mut self) -> pingora_core::Result<Option<Bytes>> {
        let read = self.session.read_response_body().await?;
        if read.is_none() && matches!(self.end, End::Ahead) {
            self.end = End::Reached(self.session.read_trailers().await?);
        }
        Ok(read)
    }

    pub(super) fn set_idle_timeout(&mut self, idle: Duration) {
        self.session.read_timeout = Some(idle);
    }

    /// Returns whether the end has been read. A failed stream, which the layer below takes for ended, is an error.
    pub(super) fn is_done(&mut self) -> pingora_core::Result<bool> {
        match self.end {
            End::Reached(_) => Ok(true),
            End::Ahead => self.session.check_response_end_or_error(),
        }
    }

    pub(super) fn trailers(&mut self) -> Option<HeaderMap> {
        match &mut self.end {
            End::Ahead => None,
            End::Reached(trailers) => trailers.take(),
        }
    }

    pub(super) fn release(self, upstream: &Upstream, peer: &HttpPeer) {
        drop(self.upload);
        if let Some(connector) = &upstream.http2 {
            connector.release_http_session(self.session, peer, peer.options.idle_timeout);
        }
    }
}
