//! The number of bytes that may still be read for a request head.
//!
//! The HTTP layer parses a head when it is complete, and buffers up to a megabyte until then. This budget applies below it,
//! so that a connection never holds more of a head than the limit. A longer head is cut off and terminated at the limit, so
//! that its beginning can be parsed for the refusal; such a request is never served. Bodies are not counted: they have
//! limits of their own.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use pingora_core::protocols::IO;
use tokio::io::ReadBuf;

use super::activity::Activity;

/// Value of `left` without a limit.
const UNLIMITED: usize = usize::MAX;

/// Value of `left` after a head exceeded the limit.
const EXCEEDED: usize = usize::MAX - 1;

/// Terminator of a head.
const END: &[u8] = b"\r\n\r\n";

/// A byte budget for request heads, set by the owner of the session and applied by the stream inside it.
#[derive(Debug)]
pub(crate) struct HeadBudget {
    /// Number of bytes that may still be read.
    left: AtomicUsize,
    /// Number of bytes of the next request that were read together with the previous one.
    ahead: AtomicUsize,
    activity: Activity,
}

// === impl HeadBudget ===

impl HeadBudget {
    pub(crate) fn new(activity: Activity) -> Self {
        Self {
            left: AtomicUsize::new(UNLIMITED),
            ahead: AtomicUsize::new(0),
            activity,
        }
    }

    /// Starts to wait for a head of at most `head_bytes` bytes.
    pub(crate) fn limit(&self, head_bytes: usize) {
        self.activity.wait();
        let ahead = self.ahead.swap(0, Relaxed);
        self.left.store(head_bytes.saturating_sub(ahead), Relaxed);
    }

    /// Lifts the limit because the head is complete.
    pub(crate) fn lift(&self) {
        self.activity.begin();
        self.left.store(UNLIMITED, Relaxed);
    }

    /// Sets the number of bytes that were read ahead of the next request.
    pub(crate) fn set_ahead(&self, bytes: usize) {
        self.ahead.store(bytes, Relaxed);
    }

    /// Returns whether the head exceeded the limit, so that the parsed head is not the one that the client sent.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.left.load(Relaxed) == EXCEEDED
    }

    /// Reads into `buf` within the budget.
    pub(crate) fn poll_read<S: IO>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.left.get_mut();
        if *left == UNLIMITED {
            return Pin::new(socket).poll_read(cx, buf);
        }
        if *left == 0 && buf.remaining() >= END.len() {
            *left = EXCEEDED;
            buf.put_slice(END);
            return Poll::Ready(Ok(()));
        }
        if matches!(*left, 0 | EXCEEDED) {
            *left = EXCEEDED;
            let full = io::Error::new(
                io::ErrorKind::FileTooLarge,
                "the request head is over its limit",
            );
            return Poll::Ready(Err(full));
        }
        let before = buf.filled().len();
        if buf.remaining() <= *left {
            ready!(Pin::new(socket).poll_read(cx, buf))?;
        } else {
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(*left));
            ready!(Pin::new(socket).poll_read(cx, &mut part))?;
            let read = part.filled().len();
            buf.advance(read);
        }
        *left = left.saturating_sub(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}
