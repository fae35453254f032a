//! HTTP/1.1: a small request leaves in one write, head and body together.

mod idle_timeout;
mod incoming;

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::IoSlice;

use bytes::{BufMut, Bytes, BytesMut};
use http::Method;
use pingora_core::ErrorType;
use smallvec::SmallVec;
use tokio::time::{Instant, timeout_at};

use super::departure::Departure;
use super::error::{Failure, describe};
use super::fields::{self, Field};
use super::interim::{Interim, Stage};
use super::stream::{self, Stream};
use crate::Upstream;
use crate::credential::Credential;
use crate::limit::Limit;
use crate::provider::Destination;
use crate::request::{Framing, Request};

pub(super) use self::incoming::{AnswerTo, Incoming};

/// Bodies of up to this many bytes are copied behind the head, so that both leave in one system call.
const ONE_WRITE_BYTES: usize = 64 * 1024;

/// A request in the form of HTTP/1.1, written once a connection needs it.
pub(super) struct Outgoing<'a> {
    request: &'a Request<'a>,
    /// The credential of the pool, if there is one.
    pooled: Option<&'a Credential>,
    departure: &'a Departure,
    written: Option<Written<'a>>,
}

/// The bytes of the first write, and the parts of the body that follow.
struct Written<'a> {
    first: BytesMut,
    rest: &'a [Bytes],
}

/// The persistence of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Persistence {
    KeepAlive,
    Close,
}

// === impl Outgoing ===

impl<'a> Outgoing<'a> {
    pub(super) fn new(
        request: &'a Request<'a>,
        pooled: Option<&'a Credential>,
        departure: &'a Departure,
    ) -> Self {
        Self {
            request,
            pooled,
            departure,
            written: None,
        }
    }

    /// Returns the bytes of one write, and the parts to write after them.
    fn written(&mut self, upstream: &Upstream) -> (&[u8], &'a [Bytes]) {
        let (request, pooled) = (self.request, self.pooled);
        let written = self.written.get_or_insert_with(|| {
            let len = request.body_len();
            let (joined, rest) = if len <= ONE_WRITE_BYTES {
                (request.body, &[][..])
            } else {
                (&[][..], request.body)
            };
            let room = joined.iter().map(Bytes::len).sum();
            let mut first = head(upstream, request, pooled, Persistence::KeepAlive, room);
            for part in joined {
                first.extend_from_slice(part);
            }
            Written { first, rest }
        });
        (&written.first, written.rest)
    }
}

/// Writes the head of a request, with `room` bytes to spare behind it.
pub(super) fn head(
    upstream: &Upstream,
    request: &Request<'_>,
    pooled: Option<&Credential>,
    persistence: Persistence,
    room: usize,
) -> BytesMut {
    let Destination {
        prefix,
        path,
        credential,
    } = upstream.provider().destination(upstream, request.path);
    let credential = pooled.unwrap_or(&credential);
    let mut wire = BytesMut::with_capacity(1024 + room);
    for part in [request.method.as_str(), " ", prefix, path, " HTTP/1.1\r\n"] {
        wire.put_slice(part.as_bytes());
    }

    let Ok(()) = fields::each(request, credential, |field| {
        match field {
            Field::Host { spelling } => put(&mut wire, spelling, upstream.authority.as_bytes()),
            Field::Length { spelling, length } => put_length(&mut wire, spelling, length),
            Field::Given(given) => put(&mut wire, given.spelling, given.value.as_bytes()),
            Field::Credential(name, value) => {
                put(&mut wire, name.as_str().as_bytes(), value.as_bytes());
            }
        }
        Ok::<(), Infallible>(())
    });
    if persistence == Persistence::Close {
        put(&mut wire, b"Connection", b"close");
    }
    if request.framing == Framing::Chunked {
        put(&mut wire, b"Transfer-Encoding", b"chunked");
    }
    wire.put_slice(b"\r\n");
    wire
}

fn put(wire: &mut BytesMut, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        wire.put_slice(part);
    }
}

fn put_length(wire: &mut BytesMut, name: &[u8], length: u64) {
    wire.put_slice(name);
    // Memory takes whatever is written.
    let _ = write!(wire, ": {length}\r\n");
}

// === impl Upstream ===

impl Upstream {
    /// Sends a request on this connection and reads the head of its answer.
    pub(super) async fn send_http1(
        &self,
        mut stream: Stream,
        outgoing: &mut Outgoing<'_>,
        limit: Limit,
        reused: bool,
    ) -> Result<Box<Incoming>, Failure> {
        let deadline = Instant::now() + limit.after;
        let late = || Failure::Final(self.timeout(limit));
        let to = if *outgoing.request.method == Method::HEAD {
            AnswerTo::Head
        } else {
            AnswerTo::Other
        };
        let departure = outgoing.departure;
        let (first, rest) = outgoing.written(self);

        let parts = std::iter::once(first).chain(rest.iter().map(AsRef::as_ref));
        let mut parts: SmallVec<[IoSlice<'_>; 4]> = parts.map(IoSlice::new).collect();
        let sent = timeout_at(deadline, stream::write_all(&mut stream, &mut parts));
        let sent = sent.await.map_err(|_| late())?;
        if sent.is_ok() {
            departure.complete();
        }

        // A server may refuse a body before it has read all of it; its answer says more than the broken write.
        let mut incoming = Box::new(Incoming::new(stream, to));
        let mut interim = Interim::default();
        loop {
            let status = match timeout_at(deadline, incoming.read_head()).await {
                Err(_) => return Err(late()),
                Ok(Err(error)) if *error.etype() == ErrorType::InvalidHTTPHeader => {
                    return Err(Failure::Final(self.malformed(describe(&error))));
                }
                Ok(Err(error)) => {
                    let reason = sent
                        .err()
                        .map_or_else(|| describe(&error), |error| error.to_string());
                    return Err(Failure::on(self.broken(reason), reused));
                }
                Ok(Ok(status)) => status,
            };
            match interim.classify(status) {
                Ok(Stage::Interim) => {}
                Ok(Stage::Final) => return Ok(incoming),
                Err(unending) => {
                    return Err(Failure::Final(self.malformed(unending.to_string())));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
