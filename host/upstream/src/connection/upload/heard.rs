//! A connection that can be read ahead before its answer is awaited. Bytes that were read ahead are read again.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::interim::Interim;
use crate::connection::stream::Stream;

/// Largest head of an interim response that is read ahead. A larger one is left to the reader of the answer.
const HEAD: usize = 16 * 1024;

/// A stream, with the bytes that were read ahead.
pub(super) struct Heard {
    stream: Stream,
    heard: BytesMut,
    interim: Interim,
}

// === impl Heard ===

impl Heard {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            heard: BytesMut::new(),
            interim: Interim::default(),
        }
    }

    /// Becomes ready with the first bytes of a final response or the end of the connection. Interim responses (RFC
    /// 9110, section 15.2) are skipped as long as they are few and small.
    pub(super) fn poll_listen(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            while self.heard.starts_with(b"HTTP/1.1 1") {
                let end = self.heard.windows(4).position(|four| four == b"\r\n\r\n");
                match end {
                    Some(_) if self.interim.pass_over().is_err() => return Poll::Ready(()),
                    Some(end) => drop(self.heard.split_to(end + 4)),
                    None if self.heard.len() > HEAD => return Poll::Ready(()),
                    None => break,
                }
            }
            let interim = b"HTTP/1.1 1".starts_with(self.heard.get(..10).unwrap_or(&self.heard));
            if !interim {
                return Poll::Ready(());
            }
            let mut bytes = [0; 1024];
            let mut read = ReadBuf::new(&mut bytes);
            let polled = Pin::new(&mut self.stream).poll_read(cx, &mut read);
            match ready!(polled) {
                Ok(()) if !read.filled().is_empty() => self.heard.extend_from_slice(read.filled()),
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Writes all bytes and flushes.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &mut impl Buf,
    ) -> Poll<io::Result<()>> {
        while bytes.has_remaining() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes.chunk()))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            bytes.advance(written);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

impl AsyncRead for Heard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.heard.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let count = self.heard.len().min(buf.remaining());
        buf.put_slice(&self.heard.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Heard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
