//! The bytes that a connection may still give to whoever reads a request's head.
//!
//! The HTTP layer looks at a head when it is whole, and gathers up to a megabyte until then. This counts below it, so
//! that a connection never holds more of a head than the limit. A head that is longer is cut and ended there, so that what
//! there is of it can be read for the refusal; it is never served. Bodies are not counted: they have limits of their own.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use pingora_core::protocols::IO;
use tokio::io::ReadBuf;

use super::Progress;

/// What stands for no limit.
const OPEN: usize = usize::MAX;

/// What stands for a head that was over its limit.
const CUT: usize = usize::MAX - 1;

/// What ends a head.
const END: &[u8] = b"\r\n\r\n";

/// Room for a head. The session that reads has the stream; whoever has the session turns this.
#[derive(Debug)]
pub(crate) struct Room {
    /// Bytes that may still be read.
    left: AtomicUsize,
    /// Bytes of the next request that were read with the one before it.
    ahead: AtomicUsize,
    progress: Progress,
}

// === impl Room ===

impl Room {
    pub(crate) fn new(progress: Progress) -> Self {
        Self {
            left: AtomicUsize::new(OPEN),
            ahead: AtomicUsize::new(0),
            progress,
        }
    }

    /// Limits what is read from now on, for a head of at most so many bytes.
    pub(crate) fn limit(&self, head_bytes: usize) {
        self.progress.wait();
        let ahead = self.ahead.swap(0, Relaxed);
        self.left.store(head_bytes.saturating_sub(ahead), Relaxed);
    }

    /// Lifts the limit: the head is whole.
    pub(crate) fn lift(&self) {
        self.progress.begin();
        self.left.store(OPEN, Relaxed);
    }

    /// Notes what has been read ahead of the next request.
    pub(crate) fn set_ahead(&self, bytes: usize) {
        self.ahead.store(bytes, Relaxed);
    }

    /// Whether the head was over the limit, and is not what the client sent.
    pub(crate) fn has_cut(&self) -> bool {
        self.left.load(Relaxed) == CUT
    }

    /// Reads into `buf`, no more than there is room for.
    pub(crate) fn poll_read<S: IO>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.left.get_mut();
        if *left == OPEN {
            return Pin::new(socket).poll_read(cx, buf);
        }
        if *left == 0 && buf.remaining() >= END.len() {
            *left = CUT;
            buf.put_slice(END);
            return Poll::Ready(Ok(()));
        }
        if matches!(*left, 0 | CUT) {
            *left = CUT;
            let full = io::Error::new(io::ErrorKind::FileTooLarge, "the head is over its limit");
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
