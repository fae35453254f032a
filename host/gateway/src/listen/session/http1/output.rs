//! The bytes on their way to a client, which leave in as few writes as possible.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite as _;

use super::ByteStream;
use crate::listen::session::ClientError;
use crate::listen::write_timeout::WriteTimeout;

/// Smallest part of a body in bytes that is not copied behind the head or the size of its chunk.
const LARGE_WRITE: usize = 16 * 1024;

/// Most room that an open stream keeps, in bytes.
pub(super) const KEPT_ROOM: usize = 2 * 1024;

/// Bytes to write, and the longest time in which the client takes none of them.
pub(super) struct Output {
    bytes: Vec<u8>,
    timeout: WriteTimeout,
}

// === impl Output ===

impl Output {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            bytes: Vec::new(),
            timeout: WriteTimeout::new(timeout),
        }
    }

    pub(super) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout.set_limit(timeout);
    }

    /// Returns the bytes to write, to which others can be added.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Writes the bytes, with two further parts. Small ones are copied, so that they leave in one write.
    ///
    /// # Errors
    ///
    /// The client disconnected, or takes nothing.
    pub(super) async fn flush(
        &mut self,
        stream: &mut Box<dyn ByteStream>,
        body: &[u8],
        behind: &[u8],
    ) -> Result<(), ClientError> {
        let (body, behind): (&[u8], &[u8]) = if body.len() < LARGE_WRITE {
            self.bytes.extend_from_slice(body);
            self.bytes.extend_from_slice(behind);
            (&[], &[])
        } else {
            (body, behind)
        };
        let bytes = std::mem::take(&mut self.bytes);
        let mut parts = [&bytes[..], body, behind].map(IoSlice::new);
        let mut left = &mut parts[..];
        // Leaves out those that are empty.
        IoSlice::advance_slices(&mut left, 0);
        let written = poll_fn(|cx| self.poll_write_all(stream, cx, &mut left)).await;
        if bytes.capacity() <= KEPT_ROOM {
            self.bytes = bytes;
            self.bytes.clear();
        }
        written.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => ClientError::Stalled,
            _ => ClientError::Gone,
        })
    }

    fn poll_write_all(
        &mut self,
        stream: &mut Box<dyn ByteStream>,
        cx: &mut Context<'_>,
        left: &mut &mut [IoSlice<'_>],
    ) -> Poll<io::Result<()>> {
        while let Some(first) = left.first() {
            let stream = Pin::new(&mut *stream);
            let result = if left.len() == 1 {
                stream.poll_write(cx, first)
            } else {
                stream.poll_write_vectored(cx, left)
            };
            match ready!(self.timeout.check(result, cx))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => IoSlice::advance_slices(left, written),
            }
        }
        let result = Pin::new(stream).poll_flush(cx);
        self.timeout.check(result, cx)
    }
}
