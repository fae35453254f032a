//! HTTP/2: a request is a stream among others on one connection.
//!
//! The body leaves as the upstream's flow control lets it, while the answer is awaited: a server may answer before it
//! has read all. What it has read of an answer the client's side has taken, so that a slow client holds up its own
//! stream only. An answer that is dropped resets its stream.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{PathAndQuery, Scheme as UriScheme};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use memchr::memchr;
use pingora_core::protocols::http::v2::client::Http2Session;
use pingora_core::protocols::http::v2::write_body;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, RetryType};
use pingora_http::{RequestHeader, ResponseHeader};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Body, Limit, Lost, Upstream, h1, interim, plain};
use crate::upstream::config::Scheme;

/// An answer over HTTP/2.
pub(super) struct Answer {
    session: Http2Session,
    /// The rest of a request that was answered before it was sent.
    upload: Option<Upload>,
    end: End,
}

/// Whether the end of the answer has been read.
enum End {
    Ahead,
    Reached(Option<HeaderMap>),
}

/// A body on its way, stopped when its answer is dropped.
struct Upload(JoinHandle<()>);

type Sending = Pin<Box<dyn Future<Output = pingora_core::Result<()>> + Send>>;

// === impl Upstream ===

impl Upstream {
    pub(super) async fn ask_http2(
        &self,
        mut session: Box<Http2Session>,
        outgoing: &h1::Gathered<'_>,
        limit: Limit,
        reused: bool,
    ) -> Result<Body, Lost> {
        let (head, body) = outgoing.parts();
        let request = self
            .request(head)
            .ok_or_else(|| Lost::Served(self.malformed("no head to send".into())))?;
        session
            .write_request_header(Box::new(request), body.is_empty())
            .map_err(|error| self.lost(&error, reused))?;
        let mut sending = send(&mut session, body);
        if sending.is_none() {
            outgoing.departed();
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
                            outgoing.departed();
                        }
                    }
                }
            }
        };
        match head_read {
            Err(_) => Err(Lost::Served(self.late(limit))),
            Ok(Err(unending)) => Err(Lost::Served(self.malformed(unending.to_string()))),
            Ok(Ok(Err(error))) => Err(self.lost(&error, reused)),
            Ok(Ok(Ok(()))) => Ok(Body::Http2(Box::new(Answer {
                session: *session,
                upload: sending.map(Upload::start),
                end: End::Ahead,
            }))),
        }
    }

    /// The request in the form of HTTP/2 (RFC 9113, section 8.3.1): `Host` becomes `:authority`, names are lower case,
    /// the order stays.
    fn request(&self, head: &[u8]) -> Option<RequestHeader> {
        let mut lines = head
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let mut start = std::str::from_utf8(lines.next()?).ok()?.split(' ');
        let (method, target) = (start.next()?, start.next()?);
        let scheme = match self.config.base.scheme {
            Scheme::Http => UriScheme::HTTP,
            Scheme::Https => UriScheme::HTTPS,
        };
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(self.authority.as_str())
            .path_and_query(target.parse::<PathAndQuery>().ok()?)
            .build()
            .ok()?;
        let mut request = RequestHeader::build_no_case(method, target.as_bytes(), None).ok()?;
        request.set_uri(uri);
        for line in lines.take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_at_checked(memchr(b':', line)?)?;
            let name = HeaderName::from_bytes(name).ok()?;
            if name != header::HOST {
                let value = HeaderValue::from_bytes(value.strip_prefix(b": ")?).ok()?;
                request.append_header(name, value).ok()?;
            }
        }
        Some(request)
    }

    /// A stream that ended before its answer. It was not looked at when the server says so (GOAWAY or REFUSED_STREAM,
    /// RFC 9113, section 8.7), or when a pooled connection was gone.
    fn lost(&self, error: &Error, reused: bool) -> Lost {
        let unserved = match error.retry {
            RetryType::Decided(unserved) => unserved,
            RetryType::ReusedOnly => reused,
        };
        let failed = match *error.etype() {
            ErrorType::InvalidH2 | ErrorType::InvalidHTTPHeader => {
                return Lost::Served(self.malformed(reason(error)));
            }
            ErrorType::ReadTimedout => return Lost::Served(self.broken(plain(error))),
            _ => self.broken(reason(error)),
        };
        if unserved {
            Lost::Unserved(failed)
        } else if error.etype() == &ErrorType::ReadError {
            // The connection itself failed.
            Lost::on(failed, reused)
        } else {
            Lost::Served(failed)
        }
    }
}

/// What the HTTP/2 layer says about it, which the outer error keeps to itself.
fn reason(error: &Error) -> String {
    format!("{} ({})", error.etype().as_str(), error.root_cause())
}

/// The sending of the body; none when there is nothing to send.
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

/// Ends when the sending does, and never when there is none.
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
            // The answer is there; what it was an answer to is the upstream's affair.
            let _ = sending.await;
        }))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.0.abort();
    }
}

// === impl Answer ===

impl Answer {
    pub(super) fn head(&self) -> Option<&ResponseHeader> {
        self.session.response_header()
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

    /// The layer below takes a stream that failed for ended; here that is an error.
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
