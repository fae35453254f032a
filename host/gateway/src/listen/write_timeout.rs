//! A timeout for writes that make no progress: of responses, refusals, admin pages and HTTP/2 frames.
//!
//! Otherwise a client that sends a request and never reads would hold its connection and the writing task for as long as it
//! likes. The timer is created when a write has to wait and dropped when it proceeds, so that other writes cost nothing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// A timeout for a write without progress.
#[derive(Debug)]
pub(crate) struct WriteTimeout {
    limit: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

// === impl WriteTimeout ===

impl WriteTimeout {
    pub(crate) const fn new(limit: Duration) -> Self {
        Self {
            limit,
            waiting: None,
        }
    }

    /// Sets the longest time without progress, for writes that begin to wait from now on.
    pub(crate) const fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Passes on the result of a write, or `TimedOut` if the write has been pending for too long.
    pub(crate) fn check<T>(
        &mut self,
        result: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.waiting = None;
            return result;
        }
        let limit = self.limit;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(limit)));
        waiting
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}
