//! How the audit is doing. Read without waiting for the sink.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts since the start, and what waits now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Lines that the sink has taken.
    pub written: u64,
    /// Receipts in the queue.
    pub queued: usize,
    /// Bytes of those, and of the ones that are being written.
    pub queued_bytes: usize,
    /// Receipts that were written by the thread that submitted them, because the queue was full or closed.
    pub inline_writes: u64,
    /// Renderings that panicked.
    pub render_panics: u64,
    /// Renderings that gave a wrong number of lines.
    pub render_miscounts: u64,
    /// Bytes of the lines that the sink has not taken yet.
    pub backlog_bytes: usize,
    /// Receipts that are lost.
    pub lost: u64,
    /// The last thing that went wrong; it stays after all is well again.
    pub last_error: Option<Arc<str>>,
}

/// Whether receipts get to the sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// They do.
    Well,
    /// They don't. They are kept in memory and tried again.
    Failing {
        /// What the sink says.
        error: Arc<str>,
        /// Bytes that are kept.
        backlog_bytes: usize,
        /// The most bytes that are kept; what comes then is lost.
        backlog_limit: usize,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) written: AtomicU64,
    pub(crate) inline_writes: AtomicU64,
    pub(crate) render_panics: AtomicU64,
    pub(crate) render_miscounts: AtomicU64,
    pub(crate) backlog_bytes: AtomicUsize,
    pub(crate) lost: AtomicU64,
    words: Mutex<Words>,
}

#[derive(Debug, Default)]
struct Words {
    last_error: Option<Arc<str>>,
    /// Set while the sink fails.
    failing: Option<Arc<str>>,
}

// === impl Counters ===

impl Counters {
    pub(crate) fn stats(&self, (queued, queued_bytes): (usize, usize)) -> Stats {
        Stats {
            written: self.written.load(Relaxed),
            queued,
            queued_bytes,
            inline_writes: self.inline_writes.load(Relaxed),
            render_panics: self.render_panics.load(Relaxed),
            render_miscounts: self.render_miscounts.load(Relaxed),
            backlog_bytes: self.backlog_bytes.load(Relaxed),
            lost: self.lost.load(Relaxed),
            last_error: self.with_words(|words| words.last_error.clone()),
        }
    }

    pub(crate) fn health(&self, backlog_limit: usize) -> Health {
        let backlog_bytes = self.backlog_bytes.load(Relaxed);
        match self.with_words(|words| words.failing.clone()) {
            Some(error) => Health::Failing {
                error,
                backlog_bytes,
                backlog_limit,
            },
            None => Health::Well,
        }
    }

    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Relaxed);
    }

    /// Receipts are gone. Nothing else in this crate is as bad.
    pub(crate) fn lose(&self, count: usize, why: &str) {
        Self::add(&self.lost, count);
        tracing::error!(count, why, "receipts are lost");
    }

    pub(crate) fn note(&self, error: &str) {
        self.with_words(|words| words.last_error = Some(error.into()));
    }

    pub(crate) fn note_failing(&self, error: &str) {
        let error = Arc::<str>::from(error);
        self.with_words(|words| {
            words.last_error = Some(Arc::clone(&error));
            words.failing = Some(error);
        });
    }

    pub(crate) fn note_well(&self) {
        self.with_words(|words| words.failing = None);
    }

    fn with_words<R>(&self, f: impl FnOnce(&mut Words) -> R) -> R {
        f(&mut self.words.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
