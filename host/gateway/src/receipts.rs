//! The receipts files. Receipts of admitted exchanges and of settled batches are evidence and go to one file; those of refused
//! requests go to a second file with its own share of the disk.
//!
//! A refused request costs its sender nothing, so it must not cost others anything: above a rate for each key, and for all
//! requests without a key together, refusals leave no receipt. The next one that does reports their number.

pub(crate) mod batch_note;
pub(crate) mod charged;
pub(crate) mod crash_note;
pub(crate) mod finished;
mod forget;
pub mod measured;
mod rate;
pub(crate) mod receipt;
pub(crate) mod render;
mod sinks;
mod told;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use tokio::sync::Notify;
use witgate_audit::outlet::{OutletStats, Running, WithOutlets};
use witgate_audit::segments::{Rotation, Segments};
use witgate_audit::sink::{File, Null};
use witgate_audit::{Audit, Health, Lines, Settings, Sink, Stats};

use self::finished::Finished;
use self::rate::Rates;
use self::render::Renderer;
use self::sinks::Sinks;
use self::told::Told;
use crate::config::{Receipts as Config, is_special};

/// Memory for receipts of refusals that wait for their file, in bytes.
const MAX_REFUSAL_BYTES: usize = 4 * 1024 * 1024;

/// The writers of both files.
pub(crate) struct Receipts {
    evidence: Audit<Finished>,
    refusals: Audit<Finished>,
    sinks: Sinks,
    rates: Rates,
    started: Instant,
    left_out: AtomicU64,
    /// Notified of lines in either file.
    news: Arc<Notify>,
}

/// Returns the sink of a file, if there is one. A pipe or terminal has no segments.
fn to(path: Option<&Path>, rotation: Rotation) -> Box<dyn Sink> {
    match path {
        None => Box::new(Null),
        Some(path) if is_special(path) => Box::new(File::new(path)),
        Some(path) => Box::new(Segments::new(path, rotation)),
    }
}

/// Returns the settings of the pipelines of both files, that of refusals last.
fn settings(config: &Config) -> (Settings, Settings) {
    let evidence = Settings {
        queue_bytes: config.queue_bytes.get(),
        ..Settings::default()
    };
    let refusals = Settings {
        queue_bytes: MAX_REFUSAL_BYTES.min(config.queue_bytes.get()),
        backlog_bytes: MAX_REFUSAL_BYTES,
        ..Settings::default()
    };
    (evidence, refusals)
}

/// Returns the maximum bytes of receipts that wait in memory: for their files, while a disk refuses, and for further sinks.
pub(crate) fn waiting_bytes(config: &Config) -> usize {
    let (evidence, refusals) = settings(config);
    let files =
        [evidence, refusals].map(|file| file.queue_bytes.saturating_add(file.backlog_bytes));
    let sinks = config.sinks.iter().map(|sink| sink.queue_bytes);
    files
        .into_iter()
        .chain(sinks)
        .fold(0, usize::saturating_add)
}

fn start(
    settings: Settings,
    sink: Told,
    outlets: Vec<Arc<Running>>,
) -> io::Result<Audit<Finished>> {
    if outlets.is_empty() {
        return Audit::start(settings, sink, Renderer::default());
    }
    Audit::start(
        settings,
        WithOutlets::new(sink, outlets),
        Renderer::default(),
    )
}

// === impl Receipts ===

impl Receipts {
    /// Opens both files.
    ///
    /// # Errors
    ///
    /// The system has no thread to give.
    pub(crate) fn open(config: &Config) -> io::Result<Self> {
        let (evidence, refusals) = settings(config);
        let sinks = Sinks::start(&config.sinks)?;
        let rule = || config.forget.as_ref().map(forget::rule);
        let rotation = Rotation {
            rule: rule(),
            ..config.rotation()
        };
        let news = Arc::<Notify>::default();
        let told = |sink| Told {
            sink,
            news: Arc::clone(&news),
        };
        let file = told(to(config.file.as_deref(), rotation));
        let evidence = start(evidence, file, sinks.of_evidence())?;
        let rotation = Rotation {
            rule: rule(),
            ..config.refused_rotation()
        };
        let refused = told(to(config.refused_file.as_deref(), rotation));
        let refusals = start(refusals, refused, sinks.of_refusals())?;
        Ok(Self {
            evidence,
            refusals,
            sinks,
            rates: Rates::new(config.refused_per_second),
            started: Instant::now(),
            left_out: AtomicU64::new(0),
            news,
        })
    }

    /// Returns what is notified once lines are in a file. Many of them may be one notification.
    pub(crate) fn news(&self) -> Arc<Notify> {
        Arc::clone(&self.news)
    }

    /// Submits a receipt. Never waits for a file.
    pub(crate) fn submit(&self, mut finished: Finished) {
        if finished.receipt.is_evidence() {
            self.evidence.submit(finished);
            return;
        }
        let key = finished
            .receipt
            .request
            .caller
            .as_ref()
            .map(|caller| &caller.id);
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

    /// Returns the number of refusals that left no receipt.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out.load(Relaxed)
    }

    /// Waits until everything submitted so far is written or kept.
    pub(crate) fn flush(&self) {
        self.evidence.flush();
        self.refusals.flush();
    }

    /// Reopens both files.
    ///
    /// # Errors
    ///
    /// The first file that can't be opened.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        self.evidence.reopen().and(self.refusals.reopen())
    }

    /// Sends the evidence to another sink. Refusals keep their file, to which two processes may append.
    pub(crate) fn switch(&self, sink: impl Sink) {
        self.evidence.switch(sink);
    }

    /// Writes lines of evidence that another process rendered.
    pub(crate) fn write(&self, lines: Lines) -> Health {
        self.evidence.write(lines)
    }

    /// Writes everything submitted, and stops.
    pub(crate) fn shutdown(&self) {
        self.evidence.shutdown();
        self.refusals.shutdown();
        self.sinks.shutdown();
    }

    /// Returns the counts of the further sinks.
    pub(crate) fn sinks(&self) -> Vec<OutletStats> {
        self.sinks.all().map(|running| running.stats()).collect()
    }

    /// Returns whether evidence reaches its file.
    pub(crate) fn health(&self) -> Health {
        self.evidence.health()
    }

    /// Returns the counts of evidence, and those of refusals.
    pub(crate) fn stats(&self) -> (Stats, Stats) {
        (self.evidence.stats(), self.refusals.stats())
    }
}
