//! The log on standard error: a bounded queue, and a thread that writes.
//!
//! Writing a log line never waits for the reader of the log and never fails: a closed pipe, a full disk or a stalled reader
//! costs log lines, which are counted, and nothing else. Panics and the errors of commands go through the same queue.
//! Whatever text is logged stays on one line ([`line`](mod@line)).

mod line;
mod panics;
mod queue;

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use self::queue::Queue;

/// Maximum size in bytes of the lines that wait for the writer.
const QUEUE_BYTES: usize = 1 << 20;

/// Maximum time that the end of the process waits for the last lines.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The process's log, set by [`start`].
static LOG: OnceLock<Arc<Queue>> = OnceLock::new();

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Plain text for people.
    Text,
    /// JSON, an object on each line.
    Json,
}

/// A guard that flushes the log when it is dropped, within a timeout.
pub(crate) struct FlushGuard(());

/// A writer that puts lines into the queue.
struct Lines {
    queue: Arc<Queue>,
    form: LogFormat,
}

// === impl FlushGuard ===

impl Drop for FlushGuard {
    fn drop(&mut self) {
        if let Some(queue) = LOG.get() {
            queue.flush(FLUSH_TIMEOUT);
        }
    }
}

/// Starts the log. Must be called once, before anything is logged.
///
/// # Errors
///
/// Returns an error if the writer thread cannot be started.
pub(crate) fn start(form: LogFormat) -> io::Result<FlushGuard> {
    let queue = Arc::new(Queue::new(QUEUE_BYTES));
    let writer = Arc::clone(&queue);
    std::thread::Builder::new()
        .name("witgate-log".to_owned())
        .spawn(move || writer.write_to(&mut io::stderr()))?;
    let queue = LOG.get_or_init(|| queue);

    // The HTTP layer logs each broken connection as an error. Here that is normal, and the receipt records it.
    let filter = EnvFilter::try_from_env("WITGATE_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,pingora_core=off,pingora_pool=off"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // The subscriber would print its internal errors past the queue.
        .log_internal_errors(false)
        .with_writer(Lines {
            queue: Arc::clone(queue),
            form,
        });
    match form {
        // Colours would be steering the terminal, which no line may.
        LogFormat::Text => log.with_ansi(false).with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
    panics::log_them();
    Ok(FlushGuard(()))
}

/// Prints a line to standard error that no log filter hides.
pub(crate) fn print_error(text: &str) {
    let line = format!("{text}\n");
    match LOG.get() {
        Some(queue) => queue.push(line.into_bytes()),
        // There is no other place to report that standard error is not writable.
        None => drop(io::stderr().write_all(line.as_bytes())),
    }
}

/// Returns the number of log lines dropped since the start.
pub(crate) fn dropped() -> u64 {
    LOG.get().map_or(0, |queue| queue.dropped())
}

// === impl Lines ===

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Write for &Lines {
    /// Takes a whole line: the subscriber writes each line in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.push(line::one(self.form, line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
