//! The downstream connection: one write for everything that belongs together.
//!
//! The HTTP layer writes a response head, a chunk's size line, its bytes and its end as separate writes and then
//! flushes. Sent as they come, that is up to four system calls an event. This stream gathers writes until the flush
//! and sends them as one. A write that is large already goes out at once, with what was gathered before it. The
//! gathering buffer is given back when it is empty, so that an idle stream holds none. Above TLS, what is gathered
//! leaves as one record.
//!
//! It is also where a connection's bytes are seen whatever speaks above them. So what bounds a connection below HTTP is
//! here: `room` for a head that is not whole yet, `patience` with a client that does not read, and `frames` of HTTP/2.

mod frames;
mod patience;
mod progress;
mod room;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::l4::stream::Stream as Socket;
use pingora_core::protocols::tls::{SslDigest, TlsRef, TlsStream};
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, IO, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) use self::frames::{Calm, Frames};
use self::patience::Patience;
pub(crate) use self::progress::{Asked, Progress};
pub(crate) use self::room::Room;

/// Writes of at least this many bytes are not copied into the gathering buffer.
const LARGE: usize = 16 * 1024;

/// What the gathering buffer starts with: a response head and a few events.
const INITIAL: usize = 2 * 1024;

/// Most bytes of unread input that are thrown away at once when a connection is closed.
const UNREAD: usize = 1024 * 1024;

/// A socket, or TLS over one, whose small writes are gathered until the flush.
#[derive(Debug)]
pub(crate) struct Gathered<S> {
    socket: S,
    pending: BytesMut,
    room: Room,
    patience: Patience,
    /// What HTTP/2 has sent; none where HTTP/1 is spoken.
    frames: Option<Box<Frames>>,
}

/// The room for heads on a connection that a session has.
pub(crate) fn room(stream: &Stream) -> Option<&Room> {
    let any = (**stream).as_any();
    let plain = any.downcast_ref::<Gathered<Socket>>();
    plain.map(|plain| &plain.room).or_else(|| {
        let tls = any.downcast_ref::<Gathered<TlsStream<Socket>>>();
        tls.map(|tls| &tls.room)
    })
}

// === impl Gathered ===

impl<S: IO> Gathered<S> {
    /// Wraps a connected socket, whose writes may stand still for so long, and whose requests are noted on `progress`.
    pub(crate) fn new(socket: S, write_timeout: Duration, progress: Progress) -> Self {
        Self {
            socket,
            pending: BytesMut::new(),
            room: Room::new(progress),
            patience: Patience::new(write_timeout),
            frames: None,
        }
    }

    /// Counts the frames of a connection that speaks HTTP/2.
    pub(crate) fn counting(mut self, frames: Frames) -> Self {
        self.frames = Some(Box::new(frames));
        self
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.pending.has_remaining() {
            let went = Pin::new(&mut self.socket).poll_write(cx, &self.pending);
            let written = ready!(self.patience.judge(went, cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.advance(written);
        }
        self.pending = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    fn poll_gather(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.len() < LARGE {
            if self.pending.len() >= LARGE {
                ready!(self.poll_drain(cx))?;
            }
            if self.pending.capacity() == 0 {
                self.pending.reserve(INITIAL.max(buf.len()));
            }
            self.pending.extend_from_slice(buf);
            return Poll::Ready(Ok(buf.len()));
        }

        // A large write goes out with what was gathered before it, in one vectored call as long as both last.
        while self.pending.has_remaining() {
            let slices = [IoSlice::new(&self.pending), IoSlice::new(buf)];
            let went = Pin::new(&mut self.socket).poll_write_vectored(cx, &slices);
            let written = ready!(self.patience.judge(went, cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let gathered = written.min(self.pending.len());
            self.pending.advance(gathered);
            if written > gathered {
                self.pending = BytesMut::new();
                return Poll::Ready(Ok(written - gathered));
            }
        }
        let went = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.patience.judge(went, cx)
    }

    /// Reads and forgets what comes, to its end; at most [`UNREAD`] bytes at once.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [0; 4096];
        let mut left = UNREAD;
        while left > 0 {
            let mut buf = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            left = left.saturating_sub(buf.filled().len());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: IO> AsyncRead for Gathered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(frames) = &mut this.frames else {
            return this.room.poll_read(&mut this.socket, cx, buf);
        };
        // Whoever drives the connection has been woken, and ends it.
        if frames.are_too_many() {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        frames.came(buf.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: IO> AsyncWrite for Gathered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(this.poll_gather(cx, buf))?;
        if let Some(frames) = &mut this.frames {
            frames.went(buf.get(..written).unwrap_or_default());
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        let this = &mut *self;
        let went = Pin::new(&mut this.socket).poll_flush(cx);
        this.patience.judge(went, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        let this = &mut *self;
        let went = Pin::new(&mut this.socket).poll_shutdown(cx);
        ready!(this.patience.judge(went, cx))?;
        if this
            .frames
            .as_ref()
            .is_some_and(|frames| frames.are_too_many())
        {
            // What still comes would reset the connection, and the reset would overtake the word that ends it.
            return this.poll_discard(cx);
        }
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl<S: IO> Shutdown for Gathered<S> {
    async fn shutdown(&mut self) {
        // The peer may be gone already; there is nobody to tell.
        let _ = tokio::io::AsyncWriteExt::shutdown(self).await;
        // Closing with unread input resets the connection, and the reset can overtake an answer that says why. What is
        // there is read; nothing is waited for.
        std::future::poll_fn(|cx| {
            let _ = self.poll_discard(cx);
            Poll::Ready(())
        })
        .await;
    }
}

impl<S: IO> UniqueID for Gathered<S> {
    fn id(&self) -> UniqueIDType {
        self.socket.id()
    }
}

impl<S: IO> Ssl for Gathered<S> {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.socket.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.socket.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.socket.selected_alpn_proto()
    }
}

#[async_trait]
impl<S: IO> Peek for Gathered<S> {
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        self.socket.try_peek(buf).await
    }
}

impl<S: IO> GetTimingDigest for Gathered<S> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.socket.get_timing_digest()
    }
}

impl<S: IO> GetProxyDigest for Gathered<S> {
    fn get_proxy_digest(&self) -> Option<Arc<pingora_core::protocols::raw_connect::ProxyDigest>> {
        self.socket.get_proxy_digest()
    }
}

impl<S: IO> GetSocketDigest for Gathered<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.socket.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.socket.set_socket_digest(digest);
    }
}
