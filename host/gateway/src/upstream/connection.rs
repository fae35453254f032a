//! One request to an upstream over a pooled connection: sent, and its answer read as it comes.
//!
//! HTTP/1.1 and HTTP/2 look the same from outside. A pooled connection that turns out to be closed, or that is being
//! closed without having looked at the request, is replaced by a new one, once; after a byte of an answer nothing is
//! sent twice.

mod h1;
mod h2;

pub(crate) mod upload;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use pingora_core::connectors::http::v2;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::protocols::http::v2::client::Http2Session;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType};
use pingora_http::ResponseHeader;
use tokio::time::{Instant, timeout, timeout_at};

use super::Upstream;
use crate::config::upstream::HttpVersion;

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
    #[error("the upstream {upstream} gave no answer within {after:?}")]
    Timeout {
        /// The upstream.
        upstream: String,
        /// How long was waited.
        after: Duration,
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
    peer: HttpPeer,
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

/// A connection to send one request on.
enum Opened {
    Http1(Stream),
    Http2(Box<Http2Session>),
}

/// Where a connection may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Pool,
    /// Connections that were pooled as long as a closed one are likely closed as well: they are let go.
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
    pub(crate) async fn ask(
        &self,
        outgoing: Outgoing<'_>,
        head_timeout: Duration,
    ) -> Result<Answering, Failed> {
        let deadline = Instant::now() + self.config.connect_timeout;
        let peers = match timeout_at(deadline, self.addresses.peers()).await {
            Ok(Ok(peers)) => peers,
            Ok(Err(reason)) => return Err(self.no_connection(reason)),
            Err(_) => return Err(self.no_connection("the name was not resolved in time".into())),
        };

        let mut outgoing = h1::Gathered::new(outgoing);
        let mut last = self.no_connection("it has no address".into());
        for peer in peers.iter() {
            let mut source = Source::Pool;
            loop {
                let (opened, reused) = match self.open(peer, source).await {
                    Ok(opened) => opened,
                    Err(error) => {
                        last = self.no_connection(plain(&error));
                        break;
                    }
                };
                let asked = match opened {
                    Opened::Http1(stream) => {
                        self.ask_http1(stream, peer, &mut outgoing, head_timeout, reused)
                            .await
                    }
                    Opened::Http2(session) => {
                        Box::pin(self.ask_http2(session, outgoing.parts(), head_timeout, reused))
                            .await
                    }
                };
                match asked {
                    Ok(body) => {
                        return Ok(Answering {
                            body,
                            peer: peer.clone(),
                            progress: Progress::Whole,
                        });
                    }
                    Err(Lost::Unserved(_)) if source == Source::Pool => source = Source::New,
                    Err(Lost::Unserved(failed) | Lost::Served(failed)) => return Err(failed),
                }
            }
        }
        Err(last)
    }

    /// A connection, and whether it has served before.
    async fn open(&self, peer: &HttpPeer, source: Source) -> pingora_core::Result<(Opened, bool)> {
        if let Some(connector) = &self.http2 {
            return Box::pin(self.negotiate(connector, peer, source)).await;
        }
        loop {
            let (session, reused) = self.connector.get_http_session(peer).await?;
            let stream = session.into_inner();
            if !(reused && source == Source::New) {
                return Ok((Opened::Http1(stream), reused));
            }
        }
    }

    /// A connection to an upstream that may speak HTTP/2.
    async fn negotiate(
        &self,
        connector: &v2::Connector,
        peer: &HttpPeer,
        source: Source,
    ) -> pingora_core::Result<(Opened, bool)> {
        match source {
            Source::Pool => {
                // A connection that takes no further stream is as good as none.
                if let Ok(Some(session)) = connector.reused_http_session(peer).await {
                    return Ok((Opened::Http2(Box::new(session)), true));
                }
                if let Some(session) = self.connector.reused_http_session(peer).await {
                    return Ok((Opened::Http1(session.into_inner()), true));
                }
            }
            Source::New => while self.connector.reused_http_session(peer).await.is_some() {},
        }
        let connecting = connector.new_http_session::<_, ()>(peer);
        let Ok(connected) = timeout(self.config.connect_timeout, connecting).await else {
            return Error::e_explain(ErrorType::ConnectTimedout, "while connecting");
        };
        match connected? {
            HttpSession::H2(session) => Ok((Opened::Http2(Box::new(session)), false)),
            HttpSession::H1(session) if self.config.http == HttpVersion::Negotiated => {
                Ok((Opened::Http1(session.into_inner()), false))
            }
            HttpSession::H1(_) | HttpSession::Custom(()) => Error::e_explain(
                ErrorType::ConnectError,
                "it does not speak HTTP/2, which the configuration asks for",
            ),
        }
    }

    fn no_connection(&self, reason: String) -> Failed {
        Failed::Connect {
            upstream: self.config.name.clone(),
            reason,
        }
    }

    fn late(&self, after: Duration) -> Failed {
        Failed::Timeout {
            upstream: self.config.name.clone(),
            after,
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
pub(crate) fn plain(error: &Error) -> String {
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
            Body::Http1(answer) => answer.release(upstream, &self.peer).await,
            Body::Http2(answer) => answer.release(upstream, &self.peer),
        }
    }
}
