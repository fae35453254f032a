//! A request whose body is sent piece by piece, over a connection of its own that serves nothing else.

mod heard;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use pingora_core::ErrorType;
use pingora_core::protocols::http::v1::client::HttpSession;
use tokio::time::{Instant, timeout, timeout_at};

use self::heard::Heard;
use super::connect::Purpose;
use super::interim::{Interim, Stage};
use super::{Answering, Body, Failed, Limit, Link, Progress, h1, plain};
use crate::upstream::Upstream;
use crate::upstream::dns::Address;

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// The head says how long it is.
    Declared,
    /// The body says so itself (RFC 9112, section 7.1).
    Chunked,
}

/// How far a piece of a body got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Whole,
    /// The upstream answered, or closed, before it had taken all.
    Answered,
}

/// A request whose body is under way.
pub(crate) struct Sending {
    stream: Heard,
    address: Arc<Address>,
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
        let peers = self.peers(deadline).await?;
        let connecting = Box::pin(self.connect(&peers, Purpose::Single, deadline));
        let (link, address) = connecting.await?;
        let Link::Http1(stream) = link else {
            return Err(self.malformed("it speaks HTTP/2 where HTTP/1.1 was asked for".into()));
        };
        let mut sending = Sending {
            stream: Heard::new(stream),
            address,
            length,
            patience: self.config.idle_timeout,
            upstream: self.config.name.clone(),
        };
        sending.write_all(head).await?;
        Ok(sending)
    }
}

// === impl Sending ===

impl Sending {
    /// Ends when the upstream answers, or closes, before the body is over. May be dropped and called again.
    pub(crate) async fn answered(&mut self) {
        poll_fn(|cx| self.stream.poll_listen(cx)).await;
    }

    /// Sends a piece of the body. An upstream that answers meanwhile need not take all of it.
    ///
    /// # Errors
    ///
    /// The upstream took nothing for too long.
    pub(crate) async fn write(&mut self, part: Bytes) -> Result<Taken, Failed> {
        if part.is_empty() {
            // An empty chunk would be the last one.
            return Ok(Taken::Whole);
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

    /// Ends the body.
    ///
    /// # Errors
    ///
    /// As [`Sending::write`].
    pub(crate) async fn end(&mut self) -> Result<Taken, Failed> {
        match self.length {
            Length::Declared => Ok(Taken::Whole),
            Length::Chunked => self.write_all(Bytes::from_static(b"0\r\n\r\n")).await,
        }
    }

    /// Waits for the answer to what was sent.
    ///
    /// # Errors
    ///
    /// [`Failed`]: there is none.
    pub(crate) async fn answer(self, limit: Limit) -> Result<Answering, Failed> {
        let Self {
            stream,
            address,
            upstream,
            ..
        } = self;
        let deadline = Instant::now() + limit.after;
        let mut session = HttpSession::new_with_options(Box::new(stream), &address.peer);
        let mut interim = Interim::default();
        loop {
            match timeout_at(deadline, session.read_response()).await {
                Err(_) => return Err(Failed::Timeout { upstream, limit }),
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
            match interim.judge(session.get_status().unwrap_or_default()) {
                Ok(Stage::Interim) => {}
                Ok(Stage::Final) => {
                    return Ok(Answering {
                        body: Body::Http1(Box::new(h1::Answer::new(session))),
                        address,
                        progress: Progress::Whole,
                    });
                }
                Err(unending) => {
                    let reason = unending.to_string();
                    return Err(Failed::Malformed { upstream, reason });
                }
            }
        }
    }

    /// Writes and flushes: what a client sent does not wait for what it sends next. Stops where the upstream answers: it
    /// may take nothing any more.
    async fn write_all(&mut self, mut bytes: impl Buf) -> Result<Taken, Failed> {
        let stream = &mut self.stream;
        let written = timeout(
            self.patience,
            poll_fn(|cx| {
                if stream.poll_listen(cx).is_ready() {
                    return Poll::Ready(Taken::Answered);
                }
                match stream.poll_send(cx, &mut bytes) {
                    Poll::Ready(Ok(())) => Poll::Ready(Taken::Whole),
                    // It may have said why before it closed.
                    Poll::Ready(Err(_)) => Poll::Ready(Taken::Answered),
                    Poll::Pending => Poll::Pending,
                }
            }),
        );
        written.await.map_err(|_| Failed::Timeout {
            upstream: self.upstream.clone(),
            limit: Limit::of_upstream(self.patience),
        })
    }
}
