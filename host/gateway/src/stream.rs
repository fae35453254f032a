//! The downstream connection: one write for everything that belongs together.
//!
//! The HTTP layer writes a response head, a chunk's size line, its bytes and its end as separate writes and then
//! flushes. Sent as they come, that is up to four system calls an event. This stream gathers writes until the flush
//! and sends them as one. A write that is large already goes out at once, with what was gathered before it. The
//! gathering buffer is given back when it is empty, so that an idle stream holds none. Above TLS, what is gathered
//! leaves as one record.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::tls::{SslDigest, TlsRef};
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, IO, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Writes of at least this many bytes are not copied into the gathering buffer.
const LARGE: usize = 16 * 1024;

/// What the gathering buffer starts with: a response head and a few events.
const INITIAL: usize = 2 * 1024;

/// Most bytes of unread input that are thrown away when a connection is closed.
const UNREAD: usize = 1024 * 1024;

/// A socket, or TLS over one, whose small writes are gathered until the flush.
#[derive(Debug)]
pub(crate) struct Gathered<S> {
    socket: S,
    pending: BytesMut,
}

// === impl Gathered ===

impl<S: IO> Gathered<S> {
    /// Wraps a connected socket.
    pub(crate) fn new(socket: S) -> Self {
        Self {
            socket,
            pending: BytesMut::new(),
        }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.pending.has_remaining() {
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.advance(written);
        }
        self.pending = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    /// Reads and forgets what has come.
    fn discard(&mut self, cx: &mut Context<'_>) {
        let mut scratch = [0; 4096];
        let mut left = UNREAD;
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            let read = Pin::new(&mut self.socket).poll_read(cx, &mut buf);
            let some = buf.filled().len();
            left = left.saturating_sub(some);
            if !matches!(read, Poll::Ready(Ok(()))) || some == 0 || left == 0 {
                return;
            }
        }
    }
}

impl<S: IO> AsyncRead for Gathered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl<S: IO> AsyncWrite for Gathered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if buf.len() < LARGE {
            if this.pending.len() >= LARGE {
                ready!(this.poll_drain(cx))?;
            }
            if this.pending.capacity() == 0 {
                this.pending.reserve(INITIAL.max(buf.len()));
            }
            this.pending.extend_from_slice(buf);
            return Poll::Ready(Ok(buf.len()));
        }

        // A large write goes out with what was gathered before it, in one vectored call as long as both last.
        while this.pending.has_remaining() {
            let slices = [IoSlice::new(&this.pending), IoSlice::new(buf)];
            let written = ready!(Pin::new(&mut this.socket).poll_write_vectored(cx, &slices))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let gathered = written.min(this.pending.len());
            this.pending.advance(gathered);
            if written > gathered {
                this.pending = BytesMut::new();
                return Poll::Ready(Ok(written - gathered));
            }
        }
        Pin::new(&mut this.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
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
            self.discard(cx);
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
