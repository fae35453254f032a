//! How long a write may stand still, whoever writes: an answer, a refusal, an admin page, a frame of HTTP/2.
//!
//! A client that asks and never reads would hold its connection, and the task that writes, for as long as it likes. The
//! timer is made when a write has to wait, and given back when it goes on, so that nobody else pays for it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// The time that a standstill may take.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

// === impl Patience ===

impl Patience {
    pub(crate) const fn new(limit: Duration) -> Self {
        Self {
            limit,
            waiting: None,
        }
    }

    /// Looks at how a write went: one that has waited for too long fails.
    pub(crate) fn judge<T>(
        &mut self,
        went: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if went.is_ready() {
            self.waiting = None;
            return went;
        }
        let limit = self.limit;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(limit)));
        waiting
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}
