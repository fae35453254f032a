//! The audit itself: a queue, a thread that empties it, and the journal that both write to.

use crate::journal::{Backoff, Journal};
use crate::queue::{Queue, Taken};
use crate::stats::Counters;
use crate::{Health, Lines, Mark, Receipt, Render, Sink, Stats};
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Receipts that the queue has room for.
    pub queue: usize,
    /// Bytes of receipts that the queue has room for, by their own word ([`Receipt::weight`]).
    pub queue_bytes: usize,
    /// Receipts in a batch, at most; at least one.
    pub batch: usize,
    /// How long a batch that is not full is waited for. It makes writes fewer and receipts later.
    pub linger: Duration,
    /// Bytes of lines that are kept while the sink fails.
    pub backlog_bytes: usize,
    /// The wait before a failing sink is tried again. It doubles each time.
    pub first_retry: Duration,
    /// The longest such wait.
    pub longest_retry: Duration,
}

/// Receipts on their way to a sink. Shared by reference; dropping it flushes, as [`Audit::shutdown`] does.
#[derive(Debug)]
pub struct Audit<T: Receipt> {
    shared: Arc<Shared<T>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared<T> {
    queue: Queue<T>,
    journal: Mutex<Journal>,
    /// What found the queue full and the journal busy.
    aside: Mutex<Aside>,
    counters: Arc<Counters>,
    backlog_limit: usize,
}

/// Lines that are put aside while the journal is busy, for the thread to write when it comes back.
#[derive(Debug, Default)]
struct Aside {
    lines: Lines,
    /// The thread has ended, and takes nothing any more.
    is_over: bool,
}

/// What the thread owns.
struct Writer<T, R> {
    shared: Arc<Shared<T>>,
    render: R,
    batch: usize,
    linger: Duration,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue: 4096,
            queue_bytes: 16 * 1024 * 1024,
            batch: 256,
            linger: Duration::from_millis(2),
            backlog_bytes: 64 * 1024 * 1024,
            first_retry: Duration::from_millis(100),
            longest_retry: Duration::from_secs(5),
        }
    }
}

// === impl Audit ===

impl<T: Receipt> Audit<T> {
    /// Opens the sink and starts the thread. A sink that can't be opened is no error here: [`Audit::health`] tells,
    /// receipts are kept, and it is tried again.
    ///
    /// # Errors
    /// Where the system has no thread to give.
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
        };
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(|| writer.run())?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Takes a receipt. Never panics, and never waits for the sink while the thread lives: where the queue is full the
    /// receipt is written before this returns, or put aside if the sink is busy with others, as one that stands still is.
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

    /// Waits until every receipt submitted before is written or kept, tries what is kept once more, and says how it
    /// is.
    pub fn flush(&self) -> Health {
        self.shared.queue.wait_finished();
        self.shared.write_aside();
        self.shared.journal().retry();
        self.health()
    }

    /// Opens the sink anew, for a file that was moved away. What was submitted before may still go there.
    ///
    /// # Errors
    /// What the system says. Receipts are kept, and it is tried again.
    pub fn reopen(&self) -> io::Result<()> {
        let mut journal = self.shared.journal();
        let reopened = journal.reopen();
        if reopened.is_ok() {
            journal.retry();
        }
        drop(journal);
        // The thread may be waiting with nothing to try again in its mind.
        self.shared.queue.nudge();
        reopened
    }

    /// Has everything from here on go to another sink. What was submitted before may still go there; what the sink so
    /// far did not take goes to the new one too, so that nothing is written twice or by nobody.
    pub fn switch(&self, sink: impl Sink) {
        let mut journal = self.shared.journal();
        journal.switch(Box::new(sink));
        drop(journal);
        // The thread may be waiting for the end of a pause that no longer matters.
        self.shared.queue.nudge();
    }

    /// Writes lines that are rendered already, those of another process, now. Where the sink fails they are kept and
    /// tried again as others are.
    ///
    /// Waits for the sink: not for an async worker that others need.
    pub fn write(&self, lines: Lines) -> Health {
        self.shared.journal().write(lines);
        self.health()
    }

    /// Writes everything that was submitted and ends the thread. What the sink does not take in one last try is lost
    /// and counted so. A receipt submitted later is written at once.
    ///
    /// Waits for the thread: not for an async worker that others need.
    pub fn shutdown(&self) -> Stats {
        self.shared.queue.close();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // The thread contains every panic but those of the system.
            let _ended = thread.join();
        }
        drop(thread);
        self.stats()
    }

    /// Counts since the start, and what waits now. Does not wait for the sink.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.counters.stats(self.shared.queue.size())
    }

    /// Whether receipts get to the sink. Does not wait for it.
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
    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes lines if nobody else is writing, and puts them aside otherwise.
    fn write_or_put_aside(&self, lines: Lines) {
        match self.journal.try_lock() {
            Ok(mut journal) => journal.write(lines),
            Err(TryLockError::Poisoned(journal)) => journal.into_inner().write(lines),
            Err(TryLockError::WouldBlock) => {
                if let Err(lines) = self.put_aside(lines) {
                    self.journal().write(lines);
                }
            }
        }
    }

    /// Puts lines aside. Gives them back if nobody would ever take them from there.
    fn put_aside(&self, lines: Lines) -> Result<(), Lines> {
        let mut aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner);
        if aside.is_over {
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
                .lose(count, "the sink stands still and the backlog is full");
        }
        Ok(())
    }

    /// Writes what was put aside.
    fn write_aside(&self) {
        let mut aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = std::mem::take(&mut aside.lines);
        drop(aside);
        self.journal().write(lines);
    }

    /// Writes what was put aside, and lets nothing be put there any more.
    fn end_aside(&self) {
        let mut aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner);
        aside.is_over = true;
        drop(aside);
        self.write_aside();
    }

    /// The receipts as they are. One that can't even do that is lost.
    fn raw(&self, receipts: &[T], mark: Mark) -> Lines {
        let mut lines = Lines::new();
        for receipt in receipts {
            // Apart from the others, so that a panic half-way leaves no half line.
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
            let retry_in = self.shared.journal().retry_in();
            match self.shared.queue.wait(retry_in) {
                Taken::Items => self.write(&mut batch),
                Taken::Nothing => {
                    self.shared.write_aside();
                    self.shared.journal().retry_if_due();
                }
                Taken::End => break,
            }
        }
        self.shared.end_aside();
        self.shared.journal().close();
    }

    fn write(&mut self, batch: &mut Vec<T>) {
        if !self.linger.is_zero() && self.shared.queue.may_grow(self.batch) {
            std::thread::sleep(self.linger);
        }
        self.shared.queue.take(batch, self.batch);
        let bytes = batch.iter().map(Receipt::weight).sum();
        let lines = self.render(batch);
        self.shared.journal().write(lines);
        self.shared.write_aside();
        self.shared.queue.finish(batch.len(), bytes);
        batch.clear();
    }

    /// Renders a batch. Where that fails, each receipt is rendered by itself, so that one costs the others nothing.
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
                    "receipts were rendered to another number of lines"
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
