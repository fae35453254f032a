//! Where receipts go: those of exchanges that were let in, so that something may have been sent, and of settled batches, into
//! one file, which is evidence; those of refusals before that into a second one with a share of disk of its own.
//!
//! Who is refused before anything was sent pays nothing for it, so that nothing of it may cost others anything: past
//! a rate, for each key and for all strangers together, refusals leave no receipt. The next one that does says how many.

pub(crate) mod batch_note;
pub(crate) mod finished;
mod rate;
pub(crate) mod receipt;
pub(crate) mod render;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use witgate_audit::sink::{File, Null, Rotation};
use witgate_audit::{Audit, Health, Lines, Settings, Sink, Stats};

use self::finished::Finished;
use self::rate::Rates;
use self::render::Renderer;
use crate::config::Receipts as Config;

/// Bytes of refusals that wait, or are kept while their file can't be written.
const REFUSALS_WAITING: usize = 4 * 1024 * 1024;

/// Receipts on their way to their files.
pub(crate) struct Receipts {
    evidence: Audit<Finished>,
    refusals: Audit<Finished>,
    rates: Rates,
    started: Instant,
    left_out: AtomicU64,
}

// === impl Receipts ===

impl Receipts {
    /// Opens both files.
    ///
    /// # Errors
    ///
    /// The system has no thread to give.
    pub(crate) fn open(config: &Config) -> io::Result<Self> {
        let evidence = Settings {
            queue_bytes: config.queue_bytes.get(),
            ..Settings::default()
        };
        let refusals = Settings {
            queue_bytes: REFUSALS_WAITING.min(config.queue_bytes.get()),
            backlog_bytes: REFUSALS_WAITING,
            ..Settings::default()
        };
        let (evidence, refusals) = match (&config.file, &config.refused_file) {
            (Some(file), Some(refused)) => {
                let rotation = Rotation {
                    max_bytes: config.rotate_bytes,
                    keep: config.keep,
                };
                let file = File::new(file, Some(rotation));
                let refused = File::new(refused, Some(config.refused_rotation()));
                (
                    Audit::start(evidence, file, Renderer)?,
                    Audit::start(refusals, refused, Renderer)?,
                )
            }
            _ => (
                Audit::start(evidence, Null, Renderer)?,
                Audit::start(refusals, Null, Renderer)?,
            ),
        };
        Ok(Self {
            evidence,
            refusals,
            rates: Rates::new(config.refused_per_second),
            started: Instant::now(),
            left_out: AtomicU64::new(0),
        })
    }

    /// Takes a receipt. Never waits for a file.
    pub(crate) fn submit(&self, mut finished: Finished) {
        if finished.receipt.is_evidence() {
            self.evidence.submit(finished);
            return;
        }
        let key = finished.receipt.caller.as_ref().map(|caller| &caller.id);
        match self.rates.take(key, self.started.elapsed().as_secs()) {
            Some(left_out) => {
                finished.receipt.left_out = left_out;
                self.refusals.submit(finished);
            }
            None => {
                self.left_out.fetch_add(1, Relaxed);
            }
        }
    }

    /// Returns how many refusals have left no receipt.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out.load(Relaxed)
    }

    /// Waits until everything so far is written or kept.
    pub(crate) fn flush(&self) {
        self.evidence.flush();
        self.refusals.flush();
    }

    /// Opens both files anew.
    ///
    /// # Errors
    ///
    /// What the system says of the first one that it can't open.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        self.evidence.reopen().and(self.refusals.reopen())
    }

    /// Has the evidence go elsewhere from here on. Refusals go on to their file: two processes may append to it.
    pub(crate) fn switch(&self, sink: impl Sink) {
        self.evidence.switch(sink);
    }

    /// Writes lines of evidence that another process has rendered.
    pub(crate) fn write(&self, lines: Lines) -> Health {
        self.evidence.write(lines)
    }

    /// Writes what there is, and ends.
    pub(crate) fn shutdown(&self) {
        self.evidence.shutdown();
        self.refusals.shutdown();
    }

    /// Returns whether evidence gets to its file.
    pub(crate) fn health(&self) -> Health {
        self.evidence.health()
    }

    /// Returns the counts of evidence, and those of refusals.
    pub(crate) fn stats(&self) -> (Stats, Stats) {
        (self.evidence.stats(), self.refusals.stats())
    }
}
