//! Further destinations of lines beside the sink, which can't hold it up.
//!
//! Each outlet has a bounded queue and a thread. Lines get there once the sink has them. A full queue drops lines and counts them;
//! or, if the operator wants that, the sink takes no more lines until there is room, as if its disk were full.

mod queue;

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use self::queue::{Queue, Taken};
use crate::sink::{Sink, Stopped};

/// Time for the last delivery to end, after all others.
const GRACE: Duration = Duration::from_secs(1);

/// A destination of lines that may be slow or away.
pub trait Outlet: Send + 'static {
    /// Delivers whole lines.
    ///
    /// # Errors
    /// The reason, and whether the lines should be offered again.
    fn deliver(&mut self, lines: &[u8]) -> Result<(), Undelivered>;
}

/// A delivery that failed, with the reason for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undelivered {
    /// The lines are offered again later.
    Later(String),
    /// The destination never takes these lines. They are dropped and counted.
    Never(String),
}

/// The policy of an outlet whose queue is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// Drops the lines, and counts them.
    #[default]
    Drop,
    /// Holds up the sink, so that the audit keeps its lines as if the sink failed.
    Block,
}

/// The bounds of an outlet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// The name for logs and figures.
    pub name: Arc<str>,
    /// Maximum bytes of lines that wait.
    pub queue_bytes: usize,
    /// The policy for further lines.
    pub when_full: WhenFull,
    /// Maximum bytes of a delivery, or one line if that is larger.
    pub batch_bytes: usize,
    /// Time until the first retry of a failed delivery, doubled with each retry.
    pub first_retry: Duration,
    /// Maximum time between retries.
    pub longest_retry: Duration,
}

/// The figures of an outlet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutletStats {
    /// The name.
    pub name: Arc<str>,
    /// Lines that were delivered.
    pub delivered: u64,
    /// Lines that were dropped because the queue was full, or at the end.
    pub dropped: u64,
    /// Bytes of lines that wait.
    pub queued_bytes: usize,
    /// The error of the last delivery, or `None` if it was successful.
    pub failing: Option<Arc<str>>,
}

/// An outlet with its queue and its thread. Dropping it gives up what waits.
#[derive(Debug)]
pub struct Running {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A sink whose lines go to outlets as well.
pub struct WithOutlets {
    sink: Box<dyn Sink>,
    outlets: Vec<Arc<Running>>,
}

// === impl Running ===

impl Running {
    /// Starts the thread of an outlet.
    ///
    /// # Errors
    /// The system could not start a thread.
    pub fn start(bounds: Bounds, outlet: impl Outlet) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(bounds));
        let of_thread = Arc::clone(&queue);
        let thread = thread::Builder::new()
            .name("outlet".to_owned())
            .spawn(move || run(&of_thread, outlet))?;
        Ok(Self {
            queue,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Returns the figures.
    #[must_use]
    pub fn stats(&self) -> OutletStats {
        self.queue.stats()
    }

    /// Delivers what waits, for at most this time, and ends the thread. Blocks. What is left is dropped and counted. A delivery
    /// that doesn't end is given up, together with its thread.
    pub fn shutdown(&self, patience: Duration) {
        let until = Instant::now() + patience;
        self.queue.close(until);
        let ended = self.queue.wait_ended(until + GRACE);
        let thread = self.thread.lock().take();
        if let Some(thread) = thread.filter(|_| ended) {
            // The thread catches the panics of embedders' code.
            let _ended = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.queue.close(Instant::now());
    }
}

fn run(queue: &Queue, mut outlet: impl Outlet) {
    let mut wait = queue.bounds().first_retry;
    let mut lines = Vec::new();
    loop {
        match queue.take(&mut lines) {
            Taken::Lines => {}
            Taken::End => {
                queue.end();
                return;
            }
        }
        // An embedder's outlet may panic, which the thread has to survive.
        let delivered = catch_unwind(AssertUnwindSafe(|| outlet.deliver(&lines)));
        let panicked = || Undelivered::Later("the outlet panicked".to_owned());
        match delivered.unwrap_or_else(|_| Err(panicked())) {
            Ok(()) => {
                queue.delivered();
                wait = queue.bounds().first_retry;
            }
            Err(Undelivered::Never(error)) => queue.rejected(&error),
            Err(Undelivered::Later(error)) => {
                queue.failed(&error);
                queue.pause(wait);
                wait = (wait * 2).min(queue.bounds().longest_retry);
            }
        }
    }
}

// === impl WithOutlets ===

impl WithOutlets {
    /// Creates a sink that passes the lines that `sink` has on to outlets.
    pub fn new(sink: impl Sink, outlets: Vec<Arc<Running>>) -> Self {
        Self {
            sink: Box::new(sink),
            outlets,
        }
    }

    /// Passes lines on that the sink has.
    fn pass(&self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        let lines: Arc<[u8]> = lines.into();
        for outlet in &self.outlets {
            outlet.queue.push(&lines);
        }
    }
}

impl Sink for WithOutlets {
    fn append(&mut self, lines: &[u8]) -> Result<(), Stopped> {
        let full = self
            .outlets
            .iter()
            .find(|outlet| outlet.queue.blocks(lines.len()));
        if let Some(full) = full {
            let name = &full.queue.bounds().name;
            let source =
                format!("the queue of `{name}` is full, and is configured to hold receipts up");
            return Err(Stopped {
                taken: 0,
                source: io::Error::other(source),
            });
        }
        let appended = self.sink.append(lines);
        let taken = match &appended {
            Ok(()) => lines,
            Err(stopped) => {
                let taken = lines.get(..stopped.taken).unwrap_or_default();
                let end = memchr::memrchr(b'\n', taken).map_or(0, |at| at + 1);
                taken.get(..end).unwrap_or_default()
            }
        };
        self.pass(taken);
        appended
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.sink.reopen()
    }
}

impl fmt::Debug for WithOutlets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outlets = self
            .outlets
            .iter()
            .map(|outlet| &outlet.queue.bounds().name);
        f.debug_list().entries(outlets).finish()
    }
}
