//! The audit: a queue, a thread that empties it, and the journal that both write to.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use crate::journal::{Backoff, Journal};
use crate::queue::{Queue, Taken};
use crate::stats::Counters;
use crate::{Health, Lines, Mark, Receipt, Render, Sink, Stats};

/// Capacities and delays of an [`Audit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Capacity of the queue, in receipts.
    pub queue: usize,
    /// Capacity of the queue, in bytes as [`Receipt::weight`] reports them.
    pub queue_bytes: usize,
    /// Maximum receipts in a batch; 0 counts as 1.
    pub batch: usize,
    /// Time to wait for a batch to fill, which makes writes fewer and receipts later. A receipt after ten times as long without
    /// any is written at once, and a flush does not wait for this.
    pub linger: Duration,
    /// Maximum bytes of lines kept while the sink fails.
    pub backlog_bytes: usize,
    /// Time until the first retry of a failing sink, doubled with each retry.
    pub first_retry: Duration,
    /// Maximum time between retries.
    pub longest_retry: Duration,
}

/// Rounds of [`Settings::linger`] without a receipt after which the thread sleeps, and the next receipt wakes it. Until then it looks by itself,
/// so that a receipt costs no wake-up.
const IDLE_ROUNDS: u32 = 10;

/// A pipeline of receipts to a sink. Shared by reference; dropping it flushes, as [`Audit::shutdown`] does.
#[derive(Debug)]
pub struct Audit<T: Receipt> {
    shared: Arc<Shared<T>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared<T> {
    queue: Queue<T>,
    journal: Mutex<Journal>,
    /// Lines that found the queue full and the journal busy.
    aside: Mutex<Aside>,
    counters: Arc<Counters>,
    backlog_limit: usize,
}

/// Lines put aside while the journal is busy, for the thread to write later.
#[derive(Debug, Default)]
struct Aside {
    lines: Lines,
    /// True once the thread has ended, after which no lines can be put aside.
    is_closed: bool,
}

/// The state of the writer thread.
struct Writer<T, R> {
    shared: Arc<Shared<T>>,
    render: R,
    batch: usize,
    linger: Duration,
    /// Rounds since the last receipt.
    idle: u32,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue: 4096,
            queue_bytes: 16 * 1024 * 1024,
            batch: 256,
            linger: Duration::from_millis(100),
            backlog_bytes: 64 * 1024 * 1024,
            first_retry: Duration::from_millis(100),
            longest_retry: Duration::from_secs(5),
        }
    }
}

// === impl Audit ===

impl<T: Receipt> Audit<T> {
    /// Opens the sink and starts the thread. A sink that cannot be opened is not an error: [`Audit::health`] reports it,
    /// receipts are kept, and opening is retried.
    ///
    /// # Errors
    /// The system could not start a thread.
    pub fn start(settings: Settings, sink: impl Sink, render: impl Render<T>) -> io::Result<Self> {
        let counters = Arc::new(Counters::default());
        let backoff = Backoff {
            first: settings.first_retry,
            longest: settings.longest_retry,
        };
        let journal = Journal::open(
            Box::new(sink),
            settings.backlog_bytes,
            backoff,
            Arc::clone(&counters),
        );
        let shared = Arc::new(Shared {
            queue: Queue::new(settings.queue, settings.queue_bytes),
            journal: Mutex::new(journal),
            aside: Mutex::default(),
            counters,
            backlog_limit: settings.backlog_bytes,
        });
        let writer = Writer {
            shared: Arc::clone(&shared),
            render,
            batch: settings.batch.max(1),
            linger: settings.linger,
            idle: IDLE_ROUNDS,
        };
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(|| writer.run())?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Submits a receipt. Never panics, and never waits for the sink while the thread lives: if the queue is full, the receipt
    /// is written before this returns, or put aside if the sink is busy or stalled.
    pub fn submit(&self, receipt: T) {
        let weight = receipt.weight();
        if let Err(receipt) = self.shared.queue.push(receipt, weight) {
            Counters::add(&self.shared.counters.inline_writes, 1);
            let lines = self
                .shared
                .raw(std::slice::from_ref(&receipt), Mark::QueueFull);
            self.shared.write_or_put_aside(lines);
        }
    }

    /// Waits until every receipt submitted before is written or kept, retries the kept ones, and returns the resulting health.
    pub fn flush(&self) -> Health {
        self.shared.queue.wait_finished();
        self.shared.write_aside();
        self.shared.journal.lock().retry();
        self.health()
    }

    /// Reopens the sink, for a file that was moved away. Receipts submitted before may still go to the old one.
    ///
    /// # Errors
    /// The system's error. Receipts are kept, and opening is retried.
    pub fn reopen(&self) -> io::Result<()> {
        let mut journal = self.shared.journal.lock();
        let reopened = journal.reopen();
        if reopened.is_ok() {
            journal.retry();
        }
        drop(journal);
        // The thread may be waiting without a retry scheduled.
        self.shared.queue.nudge();
        reopened
    }

    /// Switches to another sink. Receipts submitted before may already go to it, and so do all lines that the current sink has
    /// not accepted, so that each line is written exactly once.
    pub fn switch(&self, sink: impl Sink) {
        let mut journal = self.shared.journal.lock();
        journal.switch(Box::new(sink));
        drop(journal);
        // The thread may be waiting for a retry that no longer matters.
        self.shared.queue.nudge();
    }

    /// Writes the rendered lines of another process immediately. If the sink fails, they are kept and retried like others.
    ///
    /// Blocks on the sink, so call it from a thread that may block.
    pub fn write(&self, lines: Lines) -> Health {
        self.shared.journal.lock().write(lines);
        self.health()
    }

    /// Writes all submitted receipts and ends the thread. Lines that the sink does not accept in a last attempt are lost and
    /// counted. A receipt submitted later is written directly.
    ///
    /// Blocks on the thread, so call it from a thread that may block.
    pub fn shutdown(&self) -> Stats {
        self.shared.queue.close();
        let mut thread = self.thread.lock();
        if let Some(thread) = thread.take() {
            // The thread catches the panics of embedders' code.
            let _ended = thread.join();
        }
        drop(thread);
        self.stats()
    }

    /// Returns the counters since the start and the current queue. Does not wait for the sink.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.counters.stats(self.shared.queue.size())
    }

    /// Returns the state of the sink, without waiting for it.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.counters.health(self.shared.backlog_limit)
    }
}

impl<T: Receipt> Drop for Audit<T> {
    fn drop(&mut self) {
        self.shutdown();
    }
}

// === impl Shared ===

impl<T: Receipt> Shared<T> {
    /// Writes lines if the journal is free, and puts them aside otherwise.
    fn write_or_put_aside(&self, lines: Lines) {
        if let Some(mut journal) = self.journal.try_lock() {
            journal.write(lines);
        } else if let Err(lines) = self.put_aside(lines) {
            self.journal.lock().write(lines);
        }
    }

    /// Puts lines aside, or returns them as `Err` if the thread that would write them has ended.
    fn put_aside(&self, lines: Lines) -> Result<(), Lines> {
        let mut aside = self.aside.lock();
        if aside.is_closed {
            return Err(lines);
        }
        let bytes = aside.lines.as_bytes().len() + lines.as_bytes().len();
        let fits = bytes <= self.backlog_limit;
        let count = lines.count();
        if fits {
            aside.lines.append(lines);
        }
        drop(aside);
        if fits {
            self.queue.nudge();
        } else {
            self.counters
                .lose(count, "the sink is stalled and the backlog is full");
        }
        Ok(())
    }

    /// Writes the lines put aside.
    fn write_aside(&self) {
        let mut aside = self.aside.lock();
        let lines = std::mem::take(&mut aside.lines);
        drop(aside);
        self.journal.lock().write(lines);
    }

    /// Writes the lines put aside, and prevents further ones.
    fn close_aside(&self) {
        let mut aside = self.aside.lock();
        aside.is_closed = true;
        drop(aside);
        self.write_aside();
    }

    /// Renders receipts in their raw form. One that panics is lost.
    fn raw(&self, receipts: &[T], mark: Mark) -> Lines {
        let mut lines = Lines::new();
        for receipt in receipts {
            // A separate buffer, so that a panic leaves no partial line.
            let mut line = Vec::new();
            match catch_unwind(AssertUnwindSafe(|| receipt.raw(mark, &mut line))) {
                Ok(()) => lines.push(&line),
                Err(panic) => self
                    .counters
                    .lose(1, &format!("a receipt panicked: {}", text_of(&*panic))),
            }
        }
        lines
    }
}

// === impl Writer ===

impl<T: Receipt, R: Render<T>> Writer<T, R> {
    fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            match self.wait() {
                Taken::Items => {
                    self.write(&mut batch);
                    self.idle = 0;
                }
                Taken::Nothing => {
                    self.idle = self.idle.saturating_add(1);
                    self.shared.write_aside();
                    self.shared.journal.lock().retry_if_due();
                }
                Taken::End => break,
            }
        }
        self.shared.close_aside();
        self.shared.journal.lock().close();
    }

    /// Waits for a batch, and no longer than until the next retry of a failing sink.
    fn wait(&self) -> Taken {
        let retry_in = self.shared.journal.lock().retry_in();
        if self.idle < IDLE_ROUNDS {
            let round = retry_in.map_or(self.linger, |retry| retry.min(self.linger));
            self.shared.queue.linger(self.batch, round)
        } else {
            self.shared.queue.wait(retry_in)
        }
    }

    fn write(&mut self, batch: &mut Vec<T>) {
        self.shared.queue.take(batch, self.batch);
        let bytes = batch.iter().map(Receipt::weight).sum();
        let lines = self.render(batch);
        self.shared.journal.lock().write(lines);
        self.shared.write_aside();
        self.shared.queue.finish(batch.len(), bytes);
        batch.clear();
    }

    /// Renders a batch. If that fails, each receipt is rendered by itself, so that a bad one does not affect the others.
    fn render(&mut self, batch: &[T]) -> Lines {
        match self.try_render(batch) {
            Ok(lines) => lines,
            Err(mark) if batch.len() == 1 => self.shared.raw(batch, mark),
            Err(_) => {
                let mut all = Lines::new();
                for receipt in batch {
                    let alone = std::slice::from_ref(receipt);
                    let lines = self.try_render(alone);
                    all.append(lines.unwrap_or_else(|mark| self.shared.raw(alone, mark)));
                }
                all
            }
        }
    }

    fn try_render(&mut self, batch: &[T]) -> Result<Lines, Mark> {
        let counters = &self.shared.counters;
        let mut lines = Lines::new();
        match catch_unwind(AssertUnwindSafe(|| self.render.render(batch, &mut lines))) {
            Ok(()) if lines.count() == batch.len() => Ok(lines),
            Ok(()) => {
                Counters::add(&counters.render_miscounts, 1);
                let (receipts, lines) = (batch.len(), lines.count());
                tracing::error!(
                    receipts,
                    lines,
                    "the number of rendered lines differs from the number of receipts"
                );
                counters.note(&format!(
                    "{receipts} receipts were rendered to {lines} lines"
                ));
                Err(Mark::RenderMiscounted)
            }
            Err(panic) => {
                Counters::add(&counters.render_panics, 1);
                let text = text_of(&*panic);
                tracing::error!(
                    receipts = batch.len(),
                    panic = text,
                    "rendering receipts panicked"
                );
                counters.note(&format!("rendering panicked: {text}"));
                Err(Mark::RenderPanicked)
            }
        }
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
