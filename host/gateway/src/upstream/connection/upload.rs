//! A request whose body is sent piece by piece, over a connection of its own that serves nothing else.

mod heard;

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use pingora_core::ErrorType;
use pingora_core::protocols::http::v1::client::HttpSession;
use pingora_core::protocols::{ALPN, Stream};
use pingora_core::upstreams::peer::HttpPeer;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout, timeout_at};

use self::heard::Heard;
use super::{Answering, Body, Failed, Progress, h1, plain};
use crate::upstream::Upstream;

/// The group that its connections are in, apart from those that are used again.
const OF_ITS_OWN: u64 = 1;

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// The head says how long it is.
    Declared,
    /// The body says so itself (RFC 9112, section 7.1).
    Chunked,
}

/// A request whose body is under way.
pub(crate) struct Sending {
    stream: Heard,
    peer: HttpPeer,
    length: Length,
    patience: Duration,
    upstream: String,
}

// === impl Upstream ===

impl Upstream {
    /// Connects and sends a head. It has to say `Connection: close`, and how its body is framed.
    ///
    /// # Errors
    ///
    /// [`Failed`]: there is no connection, or it broke.
    pub(crate) async fn begin(&self, head: BytesMut, length: Length) -> Result<Sending, Failed> {
        let deadline = Instant::now() + self.config.connect_timeout;
        let peers = match timeout_at(deadline, self.addresses.peers()).await {
            Ok(Ok(peers)) => peers,
            Ok(Err(reason)) => return Err(self.no_connection(reason)),
            Err(_) => return Err(self.no_connection("the name was not resolved in time".into())),
        };
        let mut last = self.no_connection("it has no address".into());
        for peer in peers.iter() {
            let mut peer = peer.clone();
            peer.group_key = OF_ITS_OWN;
            peer.options.alpn = ALPN::H1;
            match self.new_stream(&peer).await {
                Ok(stream) => {
                    let mut sending = Sending {
                        stream: Heard::new(stream),
                        peer,
                        length,
                        patience: self.config.idle_timeout,
                        upstream: self.config.name.clone(),
                    };
                    sending.write_all(head).await?;
                    return Ok(sending);
                }
                Err(error) => last = self.no_connection(plain(&error)),
            }
        }
        Err(last)
    }

    /// A connection that has served nothing: what fails on it can't be tried again.
    async fn new_stream(&self, peer: &HttpPeer) -> pingora_core::Result<Stream> {
        loop {
            let (session, reused) = self.connector.get_http_session(peer).await?;
            if !reused {
                return Ok(session.into_inner());
            }
        }
    }
}

// === impl Sending ===

impl Sending {
    /// Ends when the upstream answers, or closes, before the body is over. May be dropped and called again.
    pub(crate) async fn answered(&mut self) {
        self.stream.listen().await;
    }

    /// Sends a piece of the body.
    ///
    /// # Errors
    ///
    /// The connection broke, or took nothing for too long.
    pub(crate) async fn write(&mut self, part: Bytes) -> Result<(), Failed> {
        if part.is_empty() {
            // An empty chunk would be the last one.
            return Ok(());
        }
        match self.length {
            Length::Declared => self.write_all(part).await,
            Length::Chunked => {
                let size = Bytes::from(format!("{:x}\r\n", part.len()));
                let chunk = size.chain(part).chain(Bytes::from_static(b"\r\n"));
                self.write_all(chunk).await
            }
        }
    }

    /// Ends the body and waits for the answer.
    ///
    /// # Errors
    ///
    /// [`Failed`]: there is no answer.
    pub(crate) async fn finish(mut self, head_timeout: Duration) -> Result<Answering, Failed> {
        if self.length == Length::Chunked {
            // A body that could not be ended may have been answered all the same.
            let _ = self.write_all(Bytes::from_static(b"0\r\n\r\n")).await;
        }
        self.answer(head_timeout).await
    }

    /// Waits for the answer to what was sent.
    ///
    /// # Errors
    ///
    /// [`Failed`]: there is none.
    pub(crate) async fn answer(self, head_timeout: Duration) -> Result<Answering, Failed> {
        let Self {
            stream,
            peer,
            upstream,
            ..
        } = self;
        let deadline = Instant::now() + head_timeout;
        let mut session = HttpSession::new_with_options(Box::new(stream), &peer);
        loop {
            match timeout_at(deadline, session.read_response()).await {
                Err(_) => {
                    let after = head_timeout;
                    return Err(Failed::Timeout { upstream, after });
                }
                Ok(Err(error)) => {
                    let reason = plain(&error);
                    return Err(if *error.etype() == ErrorType::InvalidHTTPHeader {
                        Failed::Malformed { upstream, reason }
                    } else {
                        Failed::Broken { upstream, reason }
                    });
                }
                Ok(Ok(_)) => {}
            }
            let head = session.resp_header();
            if head.is_some_and(|head| !head.status.is_informational()) {
                return Ok(Answering {
                    body: Body::Http1(Box::new(h1::Answer::new(session))),
                    peer,
                    progress: Progress::Whole,
                });
            }
        }
    }

    /// Writes and flushes: what a client sent does not wait for what it sends next.
    async fn write_all(&mut self, mut bytes: impl Buf) -> Result<(), Failed> {
        let written = timeout(self.patience, async {
            self.stream.write_all_buf(&mut bytes).await?;
            self.stream.flush().await
        });
        let reason = match written.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it took nothing of the body for too long".to_owned(),
        };
        Err(Failed::Broken {
            upstream: self.upstream.clone(),
            reason,
        })
    }
}
