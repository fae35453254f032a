//! The byte stream of an HTTP/2 connection of a client: coalesces writes and enforces the limits below HTTP.
//!
//! The HTTP layer writes a response head, a chunk's size line, its bytes and its end as separate writes and then flushes.
//! Unbuffered, that is up to four system calls for each event. This stream buffers small writes until the flush and sends
//! them as one. A large write is sent immediately, together with the buffered bytes before it. An empty buffer is freed, so
//! that an idle stream holds none. Over TLS, the buffered bytes leave as one record.
//!
//! All bytes of a connection pass here. The limits that apply below HTTP are therefore enforced here: `write_timeout` bounds a
//! client that does not read, and `h2_frames` the frames that it sends.

mod h2_frames;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::tls::{SslDigest, TlsRef};
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, IO, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) use self::h2_frames::{AbuseSignal, FrameCounter};
use super::write_timeout::WriteTimeout;

/// Smallest write in bytes that is not copied into the buffer.
const LARGE_WRITE: usize = 16 * 1024;

/// Initial capacity of the buffer in bytes: a response head and a few events.
const INITIAL_CAPACITY: usize = 2 * 1024;

/// Maximum number of unread bytes that are discarded in one poll when a connection is closed.
const MAX_DISCARD: usize = 1024 * 1024;

/// A socket, or TLS over a socket, with a write buffer and limits.
#[derive(Debug)]
pub(crate) struct ClientStream<S> {
    socket: S,
    pending: BytesMut,
    write_timeout: WriteTimeout,
    frames: FrameCounter,
}

// === impl ClientStream ===

impl<S: IO> ClientStream<S> {
    /// Wraps a connected socket. A write without progress fails after `write_timeout`.
    pub(crate) fn new(socket: S, write_timeout: Duration, frames: FrameCounter) -> Self {
        Self {
            socket,
            pending: BytesMut::new(),
            write_timeout: WriteTimeout::new(write_timeout),
            frames,
        }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.pending.has_remaining() {
            let result = Pin::new(&mut self.socket).poll_write(cx, &self.pending);
            let written = ready!(self.write_timeout.check(result, cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.advance(written);
        }
        self.pending = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    fn poll_buffer(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.len() < LARGE_WRITE {
            if self.pending.len() >= LARGE_WRITE {
                ready!(self.poll_drain(cx))?;
            }
            if self.pending.capacity() == 0 {
                self.pending.reserve(INITIAL_CAPACITY.max(buf.len()));
            }
            self.pending.extend_from_slice(buf);
            return Poll::Ready(Ok(buf.len()));
        }

        // A large write is sent together with the buffered bytes before it, in vectored calls until those are out.
        while self.pending.has_remaining() {
            let slices = [IoSlice::new(&self.pending), IoSlice::new(buf)];
            let result = Pin::new(&mut self.socket).poll_write_vectored(cx, &slices);
            let written = ready!(self.write_timeout.check(result, cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let buffered = written.min(self.pending.len());
            self.pending.advance(buffered);
            if written > buffered {
                self.pending = BytesMut::new();
                return Poll::Ready(Ok(written - buffered));
            }
        }
        let result = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.write_timeout.check(result, cx)
    }

    /// Reads and discards input until its end; at most [`MAX_DISCARD`] bytes in one poll.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [0; 4096];
        let mut left = MAX_DISCARD;
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

impl<S: IO> AsyncRead for ClientStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let frames = &mut this.frames;
        // The connection's task has been woken by the abuse signal, and closes the connection.
        if frames.is_flooded() {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        frames.received(buf.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: IO> AsyncWrite for ClientStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(this.poll_buffer(cx, buf))?;
        this.frames.sent(buf.get(..written).unwrap_or_default());
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        let this = &mut *self;
        let result = Pin::new(&mut this.socket).poll_flush(cx);
        this.write_timeout.check(result, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        let this = &mut *self;
        let result = Pin::new(&mut this.socket).poll_shutdown(cx);
        ready!(this.write_timeout.check(result, cx))?;
        if this.frames.is_flooded() {
            // Unread input would reset the connection, and the reset could overtake the GOAWAY.
            return this.poll_discard(cx);
        }
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl<S: IO> Shutdown for ClientStream<S> {
    async fn shutdown(&mut self) {
        // An error means that the peer is already gone.
        let _ = tokio::io::AsyncWriteExt::shutdown(self).await;
        // Closing with unread input resets the connection, and the reset can overtake a response that says why. So the
        // available input is read, without waiting for more.
        std::future::poll_fn(|cx| {
            let _ = self.poll_discard(cx);
            Poll::Ready(())
        })
        .await;
    }
}

impl<S: IO> UniqueID for ClientStream<S> {
    fn id(&self) -> UniqueIDType {
        self.socket.id()
    }
}

impl<S: IO> Ssl for ClientStream<S> {
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
impl<S: IO> Peek for ClientStream<S> {
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        self.socket.try_peek(buf).await
    }
}

impl<S: IO> GetTimingDigest for ClientStream<S> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.socket.get_timing_digest()
    }
}

impl<S: IO> GetProxyDigest for ClientStream<S> {
    fn get_proxy_digest(&self) -> Option<Arc<pingora_core::protocols::raw_connect::ProxyDigest>> {
        self.socket.get_proxy_digest()
    }
}

impl<S: IO> GetSocketDigest for ClientStream<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.socket.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.socket.set_socket_digest(digest);
    }
}
