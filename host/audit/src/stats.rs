//! Counters and health of the audit, readable without waiting for the sink.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

/// Counters since the start, and the current queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Lines that the sink has accepted.
    pub written: u64,
    /// Receipts in the queue.
    pub queued: usize,
    /// Bytes of receipts in the queue and being written.
    pub queued_bytes: usize,
    /// Receipts written by the submitting thread, because the queue was full or closed.
    pub inline_writes: u64,
    /// Renderings that panicked.
    pub render_panics: u64,
    /// Renderings that produced a wrong number of lines.
    pub render_miscounts: u64,
    /// Bytes of lines that the sink has not accepted yet.
    pub backlog_bytes: usize,
    /// Receipts lost.
    pub lost: u64,
    /// The last error, kept after a recovery.
    pub last_error: Option<Arc<str>>,
}

/// The state of the sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Receipts reach the sink.
    Well,
    /// The sink fails. Receipts are kept in memory and retried.
    Failing {
        /// The sink's error.
        error: Arc<str>,
        /// Bytes kept.
        backlog_bytes: usize,
        /// Maximum bytes kept; receipts beyond it are lost.
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
    /// The error, while the sink fails.
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

    /// Counts lost receipts, the worst event in this crate.
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
        f(&mut self.words.lock())
    }
}
