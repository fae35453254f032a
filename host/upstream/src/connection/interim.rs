//! Interim responses (1xx; RFC 9110, section 15.2): a few are skipped, more are an attack or a defect.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use http::StatusCode;
use parking_lot::Mutex;

/// Largest number of interim responses before the final one. Servers send one or two, 100 and 103.
pub(super) const MAX_INTERIM: usize = 16;

/// The number of interim responses to one request so far.
#[derive(Debug, Default)]
pub(super) struct Interim(usize);

/// The kind of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// An interim response: another head follows.
    Interim,
    /// The final response.
    Final,
}

/// The reason for which no further head is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unending {
    /// There were more than [`MAX_INTERIM`] interim responses.
    #[error("it sent more than {MAX_INTERIM} interim answers (1xx) before its answer")]
    TooMany,
    /// A 101, which ends HTTP on a connection.
    #[error("it switched protocols (101), which was not asked for")]
    Switched,
}

/// A task's waker, with the number of times it was used.
struct Counted {
    wakes: AtomicUsize,
    task: Mutex<Waker>,
}

// === impl Interim ===

impl Interim {
    /// Classifies a head by its status.
    ///
    /// # Errors
    ///
    /// [`Unending`]: no further head is awaited.
    pub(super) fn classify(&mut self, status: StatusCode) -> Result<Stage, Unending> {
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Unending::Switched);
        }
        if !status.is_informational() {
            return Ok(Stage::Final);
        }
        self.pass_over()?;
        Ok(Stage::Interim)
    }

    /// Counts an interim response.
    ///
    /// # Errors
    ///
    /// The limit is exceeded.
    pub(super) fn pass_over(&mut self) -> Result<(), Unending> {
        self.0 += 1;
        if self.0 > MAX_INTERIM {
            return Err(Unending::TooMany);
        }
        Ok(())
    }
}

/// Waits for the head of an answer over HTTP/2. That layer drops interim responses silently, but each of them wakes the
/// waiting task, so wake-ups are counted.
///
/// # Errors
///
/// [`Unending::TooMany`]: `head` was woken more than [`MAX_INTERIM`] times and is not ready.
pub(super) async fn counted<F: Future>(head: F) -> Result<F::Output, Unending> {
    let mut head = pin!(head);
    let counted = Arc::new(Counted {
        wakes: AtomicUsize::new(0),
        task: Mutex::new(Waker::noop().clone()),
    });
    poll_fn(|cx| {
        counted.follow(cx.waker());
        let waker = Waker::from(Arc::clone(&counted));
        match head.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(head) => Poll::Ready(Ok(head)),
            Poll::Pending if counted.wakes.load(Ordering::Relaxed) > MAX_INTERIM => {
                Poll::Ready(Err(Unending::TooMany))
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

// === impl Counted ===

impl Counted {
    /// Sets the task to wake.
    fn follow(&self, waker: &Waker) {
        let mut task = self.task.lock();
        task.clone_from(waker);
    }
}

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        let task = self.task.lock();
        let waker = task.clone();
        drop(task);
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_interim_answers_are_passed_over_and_one_more_is_not() {
        let mut interim = Interim::default();
        for _ in 0..MAX_INTERIM {
            assert_eq!(
                interim.classify(StatusCode::EARLY_HINTS),
                Ok(Stage::Interim)
            );
        }
        assert_eq!(interim.classify(StatusCode::OK), Ok(Stage::Final), "an end");
        let more = interim.classify(StatusCode::CONTINUE);
        assert_eq!(more, Err(Unending::TooMany), "one more");
    }

    #[test]
    fn a_switch_of_protocols_is_no_interim_answer() {
        let switched = Interim::default().classify(StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(switched, Err(Unending::Switched));
    }

    #[tokio::test]
    async fn wake_ups_without_an_end_are_given_up_and_an_end_in_time_is_taken() {
        let waking = |times: usize| {
            let mut polls = 0;
            counted(poll_fn(move |cx| {
                polls += 1;
                if polls > times {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            }))
        };
        assert_eq!(waking(MAX_INTERIM).await, Ok(()), "as many as may be");
        assert_eq!(waking(MAX_INTERIM + 2).await, Err(Unending::TooMany));
    }
}
