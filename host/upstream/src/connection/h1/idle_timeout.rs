//! The longest wait for the next bytes of an answer.
//!
//! A stream waits for each of its events. Its timer is set once for many waits, and moved only when it rings: to set one costs more than to
//! read an event.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A timeout of many waits, one after the other.
pub(super) struct IdleTimeout {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

// === impl IdleTimeout ===

impl IdleTimeout {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, timer: None }
    }

    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Waits for `work`. Returns `None` if it takes longer than the limit.
    pub(super) async fn within<F: Future>(&mut self, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
        let mut end = None;
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            let end = *end.get_or_insert_with(|| Instant::now() + self.limit);
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
            while timer.as_mut().poll(cx).is_ready() {
                if timer.deadline() >= end {
                    return Poll::Ready(None);
                }
                // It rang for an earlier wait.
                timer.as_mut().reset(end);
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{advance, sleep};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn every_wait_has_the_whole_time() {
        let mut idle = IdleTimeout::new(LIMIT);
        for seconds in [9, 9, 1, 9] {
            let work = sleep(Duration::from_secs(seconds));
            assert_eq!(idle.within(work).await, Some(()), "{seconds} s");
        }
        // Time that nobody waits does not count.
        advance(LIMIT * 2).await;
        let work = sleep(Duration::from_secs(9));
        assert_eq!(idle.within(work).await, Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_at_the_limit_whatever_the_ones_before_took() {
        let mut idle = IdleTimeout::new(LIMIT);
        assert_eq!(idle.within(sleep(LIMIT / 2)).await, Some(()));
        for _ in 0..2 {
            let begun = Instant::now();
            assert_eq!(idle.within(pending::<()>()).await, None);
            let took = begun.elapsed();
            assert!(took >= LIMIT && took < LIMIT + LIMIT / 10, "{took:?}");
        }
    }
}
