//! One request to an upstream over a pooled connection: sent in one write, read as it comes.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::v1::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType};
use pingora_http::ResponseHeader;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};

use super::Upstream;

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

/// An answer whose head has been read.
pub(crate) struct Answering {
    session: HttpSession,
    peer: HttpPeer,
    progress: Progress,
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
        let mut wire = outgoing.head;
        let body = gather(&mut wire, outgoing.body);

        let mut last = self.no_connection("it has no address".into());
        for peer in peers.iter() {
            let mut fresh_only = false;
            loop {
                let (stream, reused) = match self.stream(peer, fresh_only).await {
                    Ok(opened) => opened,
                    Err(error) => {
                        last = self.no_connection(plain(&error));
                        break;
                    }
                };
                match self
                    .send_and_read(stream, peer, &wire, body, head_timeout)
                    .await
                {
                    Ok(answering) => return Ok(answering),
                    Err(Failed::Broken { .. }) if reused && !fresh_only => fresh_only = true,
                    Err(failed) => return Err(failed),
                }
            }
        }
        Err(last)
    }

    async fn stream(
        &self,
        peer: &HttpPeer,
        fresh_only: bool,
    ) -> pingora_core::Result<(Stream, bool)> {
        loop {
            let (session, reused) = self.connector.get_http_session(peer).await?;
            let stream = session.into_inner();
            // Connections that were pooled as long as the closed one are likely closed as well: they are let go.
            if !(reused && fresh_only) {
                return Ok((stream, reused));
            }
        }
    }

    async fn send_and_read(
        &self,
        mut stream: Stream,
        peer: &HttpPeer,
        head: &[u8],
        body: &[Bytes],
        head_timeout: Duration,
    ) -> Result<Answering, Failed> {
        let deadline = Instant::now() + head_timeout;
        let late = || Failed::Timeout {
            upstream: self.config.name.clone(),
            after: head_timeout,
        };
        let broken = |reason: String| Failed::Broken {
            upstream: self.config.name.clone(),
            reason,
        };

        let sent = timeout_at(deadline, async {
            stream.write_all(head).await?;
            for part in body {
                stream.write_all(part).await?;
            }
            stream.flush().await
        });
        let sent = sent.await.map_err(|_| late())?;

        // A server may refuse a body before it has read all of it; its answer says more than the broken write.
        let mut session = HttpSession::new_with_options(stream, peer);
        loop {
            match timeout_at(deadline, session.read_response()).await {
                Err(_) => return Err(late()),
                Ok(Err(error)) if *error.etype() == ErrorType::InvalidHTTPHeader => {
                    return Err(Failed::Malformed {
                        upstream: self.config.name.clone(),
                        reason: plain(&error),
                    });
                }
                Ok(Err(error)) => {
                    let reason = sent
                        .err()
                        .map_or_else(|| plain(&error), |error| error.to_string());
                    return Err(broken(reason));
                }
                Ok(Ok(_)) => {}
            }
            let informational = session
                .resp_header()
                .is_some_and(|head| head.status.is_informational());
            if !informational {
                return Ok(Answering {
                    session,
                    peer: peer.clone(),
                    progress: Progress::Whole,
                });
            }
        }
    }

    fn no_connection(&self, reason: String) -> Failed {
        Failed::Connect {
            upstream: self.config.name.clone(),
            reason,
        }
    }
}

/// Puts a small body behind the head; gives back what is to be written after it.
fn gather<'a>(wire: &mut BytesMut, body: &'a [Bytes]) -> &'a [Bytes] {
    let len: usize = body.iter().map(Bytes::len).sum();
    if len > ONE_WRITE {
        return body;
    }
    for part in body {
        wire.extend_from_slice(part);
    }
    &[]
}

/// The error without what it was about to carry on: one line, no addresses of ours.
fn plain(error: &Error) -> String {
    match error.context.as_ref() {
        Some(context) => format!("{} ({})", error.etype().as_str(), context.as_str()),
        None => error.etype().as_str().to_owned(),
    }
}

// === impl Answering ===

impl Answering {
    /// The head of the answer.
    pub(crate) fn head(&self) -> Option<&ResponseHeader> {
        self.session.resp_header()
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
        let read = self.session.read_body_bytes().await;
        if read.is_err() {
            self.progress = Progress::Broken;
        }
        read
    }

    /// Sets how long a read may stand still.
    pub(crate) fn set_idle_timeout(&mut self, idle: Duration) {
        self.session.read_timeout = Some(idle);
    }

    /// Whether the body has been read to its clean end.
    pub(crate) fn is_done(&mut self) -> bool {
        self.progress == Progress::Whole && self.session.is_body_done()
    }

    /// Gives the connection back to the pool, if it can serve again.
    pub(crate) async fn release(self, upstream: &Upstream) {
        let idle = self.peer.options.idle_timeout;
        upstream
            .connector
            .release_http_session(self.session, &self.peer, idle)
            .await;
    }
}
