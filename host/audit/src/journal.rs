//! The sink and its backlog. Lines of all threads pass through one function here.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::lines::Lines;
use crate::sink::{Sink, Stopped};
use crate::stats::Counters;

/// Size in bytes up to which lines of the backlog are joined to one write.
const JOINED_BYTES: usize = 256 * 1024;

/// Delays between retries of a failing sink.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

pub(crate) struct Journal {
    sink: Box<dyn Sink>,
    state: State,
    life: Life,
    backlog: VecDeque<Lines>,
    backlog_bytes: usize,
    backlog_limit: usize,
    backoff: Backoff,
    counters: Arc<Counters>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Well,
    Failing { retry_at: Instant, wait: Duration },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Open,
    /// The journal is closed: failed lines are not retried.
    Closed,
}

// === impl Journal ===

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            state,
            backlog_bytes,
            ..
        } = self;
        f.debug_struct("Journal")
            .field("state", state)
            .field("backlog_bytes", backlog_bytes)
            .finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens the sink. If that fails, the journal starts in the failing state, which its counters show.
    pub(crate) fn open(
        sink: Box<dyn Sink>,
        backlog_limit: usize,
        backoff: Backoff,
        counters: Arc<Counters>,
    ) -> Self {
        let mut journal = Self {
            sink,
            state: State::Well,
            life: Life::Open,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            backlog_limit,
            backoff,
            counters,
        };
        // The counters have noted an error, and a retry is scheduled.
        let _noted = journal.reopen();
        journal
    }

    /// Writes lines, or keeps them.
    pub(crate) fn write(&mut self, lines: Lines) {
        if lines.is_empty() {
            return;
        }
        if let State::Well = self.state {
            self.offer(lines);
        } else {
            // Older lines go first.
            self.keep(lines);
            self.retry_if_due();
        }
        if self.life == Life::Closed {
            self.close();
        }
    }

    /// Returns the time until [`Journal::retry_if_due`] should be called, or `None` while the sink works.
    pub(crate) fn retry_in(&self) -> Option<Duration> {
        match self.state {
            State::Well => None,
            State::Failing { retry_at, .. } => {
                Some(retry_at.saturating_duration_since(Instant::now()))
            }
        }
    }

    pub(crate) fn retry_if_due(&mut self) {
        if self.retry_in().is_some_and(|wait| wait.is_zero()) {
            self.retry();
        }
    }

    /// Retries failed lines now.
    pub(crate) fn retry(&mut self) {
        let State::Failing { .. } = self.state else {
            return;
        };
        // The backlog may be empty if the sink failed to open. Reopening shows whether it works now.
        if self.backlog.is_empty() {
            let _noted = self.reopen();
            return;
        }
        while let Some(lines) = self.backlog.pop_front() {
            self.backlog_bytes -= lines.as_bytes().len();
            let kept = self.backlog.len();
            self.offer(lines);
            if self.backlog.len() > kept {
                return;
            }
        }
        self.note_backlog();
    }

    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        let result = self.sink.reopen();
        match &result {
            Ok(()) if self.backlog.is_empty() => self.recovered(),
            Ok(()) => {}
            Err(error) => self.failed(error),
        }
        result
    }

    /// Switches to another sink, which gets the backlog.
    pub(crate) fn switch(&mut self, sink: Box<dyn Sink>) {
        self.retry();
        self.sink = sink;
        // The counters have noted an error, and the retries continue.
        if self.reopen().is_ok() {
            self.retry();
        }
    }

    /// Retries a last time and gives up the rest. Lines written later get one attempt.
    pub(crate) fn close(&mut self) {
        self.life = Life::Closed;
        self.retry();
        let left: usize = self.backlog.drain(..).map(|lines| lines.count()).sum();
        self.backlog_bytes = 0;
        self.note_backlog();
        if left > 0 {
            self.counters.lose(left, "the sink still fails at the end");
        }
    }

    /// Offers lines to the sink. Those that it does not accept become the oldest of the backlog.
    fn offer(&mut self, mut lines: Lines) {
        // An embedder's sink may panic, which the writer thread has to survive.
        let appended = catch_unwind(AssertUnwindSafe(|| self.sink.append(lines.as_bytes())));
        match appended.unwrap_or_else(|_| {
            Err(Stopped {
                taken: 0,
                source: io::Error::other("the sink panicked"),
            })
        }) {
            Ok(()) => {
                Counters::add(&self.counters.written, lines.count());
                if self.backlog.is_empty() {
                    self.recovered();
                }
            }
            Err(stopped) => {
                let taken = lines.take(stopped.taken);
                Counters::add(&self.counters.written, taken.count());
                self.failed(&stopped.source);
                self.keep_first(lines);
            }
        }
    }

    fn keep(&mut self, lines: Lines) {
        let fits = self.fit(lines);
        match self.backlog.back_mut() {
            Some(last) if last.as_bytes().len() + fits.as_bytes().len() <= JOINED_BYTES => {
                last.append(fits);
            }
            _ => self.backlog.push_back(fits),
        }
        self.note_backlog();
    }

    fn keep_first(&mut self, lines: Lines) {
        let fits = self.fit(lines);
        self.backlog.push_front(fits);
        self.note_backlog();
    }

    /// Returns as many lines as there is room for. The rest is lost.
    fn fit(&mut self, mut lines: Lines) -> Lines {
        let fits = lines.take(self.backlog_limit - self.backlog_bytes);
        self.backlog_bytes += fits.as_bytes().len();
        if !lines.is_empty() {
            self.counters
                .lose(lines.count(), "the sink fails and the backlog is full");
        }
        fits
    }

    fn failed(&mut self, error: &io::Error) {
        let wait = match self.state {
            State::Well => {
                tracing::error!(%error, "receipts can't be written; they are kept in memory");
                self.backoff.first
            }
            State::Failing { wait, .. } => (wait * 2).min(self.backoff.longest),
        };
        self.state = State::Failing {
            retry_at: Instant::now() + wait,
            wait,
        };
        self.counters.note_failing(&error.to_string());
    }

    fn recovered(&mut self) {
        if let State::Failing { .. } = self.state {
            tracing::info!("receipts are written again");
            self.state = State::Well;
            self.counters.note_well();
        }
    }

    fn note_backlog(&self) {
        self.counters
            .backlog_bytes
            .store(self.backlog_bytes, Relaxed);
    }
}
