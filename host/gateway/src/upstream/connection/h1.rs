//! HTTP/1.1: a small request leaves in one write, head and body together.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pingora_core::ErrorType;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::v1::client::HttpSession;
use pingora_core::upstreams::peer::{HttpPeer, Peer};
use pingora_http::ResponseHeader;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};

use super::interim::{Interim, Stage};
use super::{Body, Departure, Limit, Lost, ONE_WRITE, Outgoing, Upstream, plain};

/// A request whose small body stands behind its head, once a connection wants it so.
pub(super) struct Gathered<'a> {
    wire: BytesMut,
    head_len: usize,
    body: &'a [Bytes],
    /// What is to be written after `wire`.
    rest: Option<&'a [Bytes]>,
    departure: &'a Departure,
}

/// An answer over HTTP/1.1.
pub(super) struct Answer {
    session: HttpSession,
    extent: Extent,
}

/// Whether the answer has the body that its head speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    AsFramed,
    /// It is the answer to a HEAD request (RFC 9110, section 9.3.2).
    HeadOnly,
}

// === impl Gathered ===

impl<'a> Gathered<'a> {
    pub(super) fn new(outgoing: Outgoing<'a>, departure: &'a Departure) -> Self {
        Self {
            head_len: outgoing.head.len(),
            wire: outgoing.head,
            body: outgoing.body,
            rest: None,
            departure,
        }
    }

    /// The head and the body, each by itself.
    pub(super) fn parts(&self) -> (&[u8], &'a [Bytes]) {
        let head = self.wire.get(..self.head_len).unwrap_or_default();
        (head, self.body)
    }

    /// Notes that all of it has gone out.
    pub(super) fn departed(&self) {
        self.departure.complete();
    }

    /// The bytes of one write, and what is to be written after them.
    fn joined(&mut self) -> (&[u8], &'a [Bytes]) {
        let rest = *self.rest.get_or_insert_with(|| {
            let len: usize = self.body.iter().map(Bytes::len).sum();
            if len > ONE_WRITE {
                return self.body;
            }
            for part in self.body {
                self.wire.extend_from_slice(part);
            }
            &[]
        });
        (&self.wire, rest)
    }

    fn extent(&self) -> Extent {
        if self.wire.starts_with(b"HEAD ") {
            Extent::HeadOnly
        } else {
            Extent::AsFramed
        }
    }
}

// === impl Upstream ===

impl Upstream {
    pub(super) async fn ask_http1(
        &self,
        mut stream: Stream,
        peer: &HttpPeer,
        outgoing: &mut Gathered<'_>,
        limit: Limit,
        reused: bool,
    ) -> Result<Body, Lost> {
        let deadline = Instant::now() + limit.after;
        let late = || Lost::Served(self.late(limit));
        let extent = outgoing.extent();
        let (head, body) = outgoing.joined();

        let sent = timeout_at(deadline, async {
            stream.write_all(head).await?;
            for part in body {
                stream.write_all(part).await?;
            }
            stream.flush().await
        });
        let sent = sent.await.map_err(|_| late())?;
        if sent.is_ok() {
            outgoing.departed();
        }

        // A server may refuse a body before it has read all of it; its answer says more than the broken write.
        let mut session = HttpSession::new_with_options(stream, peer);
        let mut interim = Interim::default();
        loop {
            match timeout_at(deadline, session.read_response()).await {
                Err(_) => return Err(late()),
                Ok(Err(error)) if *error.etype() == ErrorType::InvalidHTTPHeader => {
                    return Err(Lost::Served(self.malformed(plain(&error))));
                }
                Ok(Err(error)) => {
                    let reason = sent
                        .err()
                        .map_or_else(|| plain(&error), |error| error.to_string());
                    return Err(Lost::on(self.broken(reason), reused));
                }
                Ok(Ok(_)) => {}
            }
            let status = session.get_status().unwrap_or_default();
            match interim.judge(status) {
                Ok(Stage::Interim) => {}
                Ok(Stage::Final) => {
                    return Ok(Body::Http1(Box::new(Answer { session, extent })));
                }
                Err(unending) => {
                    return Err(Lost::Served(self.malformed(unending.to_string())));
                }
            }
        }
    }
}

// === impl Answer ===

impl Answer {
    /// An answer whose head was read, to a request that was not HEAD.
    pub(super) fn new(session: HttpSession) -> Self {
        Self {
            session,
            extent: Extent::AsFramed,
        }
    }

    pub(super) fn head(&self) -> Option<&ResponseHeader> {
        self.session.resp_header()
    }

    pub(super) async fn read(&mut self) -> pingora_core::Result<Option<Bytes>> {
        match self.extent {
            Extent::AsFramed => self.session.read_body_bytes().await,
            Extent::HeadOnly => Ok(None),
        }
    }

    pub(super) fn set_idle_timeout(&mut self, idle: Duration) {
        self.session.read_timeout = Some(idle);
    }

    pub(super) fn is_done(&mut self) -> bool {
        self.extent == Extent::HeadOnly || self.session.is_body_done()
    }

    pub(super) async fn release(self, upstream: &Upstream, peer: &HttpPeer) {
        // The HTTP layer still waits for the body that an answer to HEAD does not have: that connection is closed.
        if self.extent == Extent::HeadOnly {
            return;
        }
        let mut session = self.session;
        session.respect_keepalive();
        if let Some(stream) = session.reuse().await {
            let idle = peer.options.idle_timeout;
            upstream
                .connector
                .release_stream(stream, peer.reuse_hash(), idle);
        }
    }
}
