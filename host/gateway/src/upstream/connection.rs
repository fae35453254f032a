//! One request to an upstream over a pooled connection: sent, and its answer read as it comes.
//!
//! HTTP/1.1 and HTTP/2 look the same from outside. A pooled connection that turns out to be closed, or that is being
//! closed without having looked at the request, is replaced by a new one, once; after a byte of an answer nothing is
//! sent twice.

mod connect;
mod h1;
mod h2;
mod interim;
mod race;

pub(crate) mod upload;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::v2::client::Http2Session;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType};
use pingora_http::ResponseHeader;
use tokio::time::Instant;

use self::connect::Purpose;
use super::Upstream;
use super::dns::{Address, Peers};
use super::limit::Limit;

/// Bodies up to this size are copied behind the head, so that both leave in one system call.
pub(crate) const ONE_WRITE: usize = 64 * 1024;

/// What an attempt at an upstream failed with, before any byte of an answer was there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// No connection: the name, the network or TLS.
    #[error("no connection to the upstream {upstream}: {reason}")]
    Connect {
        /// The upstream.
        upstream: String,
        /// What went wrong.
        reason: String,
    },
    /// The connection broke before the head of an answer.
    #[error("the upstream {upstream} closed the connection before it answered: {reason}")]
    Broken {
        /// The upstream.
        upstream: String,
        /// What went wrong.
        reason: String,
    },
    /// No head in time.
    #[error("the upstream {upstream} gave no answer {limit}")]
    Timeout {
        /// The upstream.
        upstream: String,
        /// The limit that elapsed.
        limit: Limit,
    },
    /// The head of the answer cannot be read.
    #[error("the upstream {upstream} answered with something that is not HTTP: {reason}")]
    Malformed {
        /// The upstream.
        upstream: String,
        /// What went wrong.
        reason: String,
    },
}

/// An answer whose head has been read. Dropped before its end, it ends the connection, or the stream on it.
pub(crate) struct Answering {
    body: Body,
    address: Arc<Address>,
    progress: Progress,
}

enum Body {
    Http1(Box<h1::Answer>),
    Http2(Box<h2::Answer>),
}

/// Whether the body can still come to a clean end. The HTTP layer takes a body whose connection broke for done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Whole,
    Broken,
}

/// Bytes to send: a head and the parts of a body.
pub(crate) struct Outgoing<'a> {
    /// The head, with room for a small body behind it.
    pub(crate) head: BytesMut,
    /// The body.
    pub(crate) body: &'a [Bytes],
}

/// Whether all of a request has gone out. Before that its upstream cannot have acted on it.
#[derive(Debug, Default)]
pub(crate) struct Departure(AtomicBool);

/// A connection to send one request on.
enum Link {
    Http1(Stream),
    Http2(Box<Http2Session>),
}

/// A connection, where it leads, and whether it has served before.
struct Opened {
    link: Link,
    address: Arc<Address>,
    reused: bool,
}

/// Where a connection may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Pool,
    New,
}

/// What became of a request that got no answer.
enum Lost {
    /// Nobody has begun to work on it, as far as can be told: it may be sent once more.
    Unserved(Failed),
    /// It may have been worked on.
    Served(Failed),
}

// === impl Upstream ===

impl Upstream {
    /// Sends a request and reads the head of its answer. A pooled connection that turns out to be closed before it
    /// gave a byte is replaced by a new one, once.
    ///
    /// # Errors
    ///
    /// [`Failed`]: nothing of an answer has been read.
    pub(super) async fn ask(
        &self,
        outgoing: Outgoing<'_>,
        limit: Limit,
    ) -> Result<Answering, Failed> {
        self.ask_watched(outgoing, limit, &Departure::default())
            .await
    }

    /// As [`Upstream::ask`], and notes on `departure` when the request has gone out.
    ///
    /// # Errors
    ///
    /// As [`Upstream::ask`].
    pub(super) async fn ask_watched(
        &self,
        outgoing: Outgoing<'_>,
        limit: Limit,
        departure: &Departure,
    ) -> Result<Answering, Failed> {
        let mut deadline = Instant::now() + self.config.connect_timeout;
        let peers = self.peers(deadline).await?;
        let mut outgoing = h1::Gathered::new(outgoing, departure);
        let mut source = Source::Pool;
        loop {
            let Opened {
                link,
                address,
                reused,
            } = match source {
                Source::Pool => self.open(&peers, deadline).await?,
                Source::New => self.open_new(&peers, deadline).await?,
            };
            let asked = match link {
                Link::Http1(stream) => {
                    let peer = &address.peer;
                    self.ask_http1(stream, peer, &mut outgoing, limit, reused)
                        .await
                }
                Link::Http2(session) => {
                    Box::pin(self.ask_http2(session, &outgoing, limit, reused)).await
                }
            };
            match asked {
                Ok(body) => {
                    return Ok(Answering {
                        body,
                        address,
                        progress: Progress::Whole,
                    });
                }
                Err(Lost::Unserved(_)) if source == Source::Pool => {
                    // Connections that were pooled as long as a closed one are likely closed as well.
                    while self.connector.reused_stream(&address.peer).await.is_some() {}
                    source = Source::New;
                    deadline = Instant::now() + self.config.connect_timeout;
                }
                Err(Lost::Unserved(failed) | Lost::Served(failed)) => return Err(failed),
            }
        }
    }

    /// The addresses, which are waited for only as long as none are known.
    async fn peers(&self, deadline: Instant) -> Result<Peers, Failed> {
        let peers = self.addresses.peers(deadline).await;
        peers.map_err(|reason| self.no_connection(reason))
    }

    /// Takes a pooled connection to any of the addresses, or opens a new one.
    async fn open(&self, peers: &Peers, deadline: Instant) -> Result<Opened, Failed> {
        for address in peers.iter() {
            if let Some(link) = self.pooled(&address.peer).await {
                return Ok(Opened {
                    link,
                    address: Arc::clone(address),
                    reused: true,
                });
            }
        }
        self.open_new(peers, deadline).await
    }

    async fn open_new(&self, peers: &Peers, deadline: Instant) -> Result<Opened, Failed> {
        // Rare and large: on the heap it does not weigh on every request.
        let connecting = Box::pin(self.connect(peers, Purpose::Shared, deadline));
        let (link, address) = connecting.await?;
        Ok(Opened {
            link,
            address,
            reused: false,
        })
    }

    async fn pooled(&self, peer: &HttpPeer) -> Option<Link> {
        if let Some(connector) = &self.http2 {
            // A connection that takes no further stream is as good as none.
            if let Ok(Some(session)) = connector.reused_http_session(peer).await {
                return Some(Link::Http2(Box::new(session)));
            }
        }
        let stream = self.connector.reused_stream(peer).await?;
        Some(Link::Http1(stream))
    }

    fn no_connection(&self, reason: String) -> Failed {
        Failed::Connect {
            upstream: self.config.name.clone(),
            reason,
        }
    }

    fn late(&self, limit: Limit) -> Failed {
        Failed::Timeout {
            upstream: self.config.name.clone(),
            limit,
        }
    }

    fn broken(&self, reason: String) -> Failed {
        Failed::Broken {
            upstream: self.config.name.clone(),
            reason,
        }
    }

    fn malformed(&self, reason: String) -> Failed {
        Failed::Malformed {
            upstream: self.config.name.clone(),
            reason,
        }
    }
}

/// The error in plain words and in one line, without addresses of ours.
fn plain(error: &Error) -> String {
    let words = match error.etype() {
        ErrorType::ConnectRefused => "refused",
        ErrorType::ConnectTimedout => "not made in time",
        ErrorType::ConnectNoRoute => "there is no route to it",
        ErrorType::TLSHandshakeTimedout => "the TLS handshake was not done in time",
        kind => {
            return match error.context.as_ref() {
                Some(context) => format!("{} ({})", kind.as_str(), context.as_str()),
                None => kind.as_str().to_owned(),
            };
        }
    };
    words.to_owned()
}

// === impl Departure ===

impl Departure {
    /// Notes that all of it has gone out.
    fn complete(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether all of it has gone out.
    pub(crate) fn is_complete(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl Lost ===

impl Lost {
    /// A failure on a connection that was closed while it waited in the pool, or else on a new one.
    fn on(failed: Failed, reused: bool) -> Self {
        match failed {
            Failed::Broken { .. } if reused => Self::Unserved(failed),
            failed => Self::Served(failed),
        }
    }
}

// === impl Answering ===

impl Answering {
    /// The head of the answer.
    pub(crate) fn head(&self) -> Option<&ResponseHeader> {
        match &self.body {
            Body::Http1(answer) => answer.head(),
            Body::Http2(answer) => answer.head(),
        }
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> u16 {
        self.head().map_or(0, |head| head.status.as_u16())
    }

    /// The next bytes of the body; none at its clean end. May be dropped and called again.
    ///
    /// # Errors
    ///
    /// The connection broke or stood still for too long.
    pub(crate) async fn read(&mut self) -> pingora_core::Result<Option<Bytes>> {
        if self.progress == Progress::Broken {
            return Error::e_explain(ErrorType::ReadError, "the body broke off");
        }
        let read = match &mut self.body {
            Body::Http1(answer) => answer.read().await,
            Body::Http2(answer) => answer.read().await,
        };
        if read.is_err() {
            self.progress = Progress::Broken;
        }
        read
    }

    /// Whether the body broke off, or stood still for longer than the upstream may let it.
    pub(super) fn is_broken(&self) -> bool {
        self.progress == Progress::Broken
    }

    /// Sets how long a read may stand still.
    pub(crate) fn set_idle_timeout(&mut self, idle: Duration) {
        match &mut self.body {
            Body::Http1(answer) => answer.set_idle_timeout(idle),
            Body::Http2(answer) => answer.set_idle_timeout(idle),
        }
    }

    /// Whether the body has been read to its clean end.
    pub(crate) fn is_done(&mut self) -> bool {
        if self.progress == Progress::Broken {
            return false;
        }
        let done = match &mut self.body {
            Body::Http1(answer) => Ok(answer.is_done()),
            Body::Http2(answer) => answer.is_done(),
        };
        done.unwrap_or_else(|_| {
            self.progress = Progress::Broken;
            false
        })
    }

    /// The trailers that came after the body, once it is done.
    pub(crate) fn trailers(&mut self) -> Option<HeaderMap> {
        match &mut self.body {
            Body::Http1(_) => None,
            Body::Http2(answer) => answer.trailers(),
        }
    }

    /// Gives the connection back to the pool, if it can serve again.
    pub(crate) async fn release(self, upstream: &Upstream) {
        match self.body {
            Body::Http1(answer) => answer.release(upstream, &self.address.peer).await,
            Body::Http2(answer) => answer.release(upstream, &self.address.peer),
        }
    }
}
