//! The log on standard error: a bounded queue, and a thread of its own that writes.
//!
//! Nothing that writes a line waits for whoever reads the log, and nothing fails because the log can't be written: a
//! closed pipe, a full disk or a reader that stands still costs log lines, which are counted, and nothing else. Panics
//! and the complaints of commands take the same way. Whatever is in a line, it is one line ([`line`]).

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

/// Most bytes of lines that wait for the writer.
const WAITING: usize = 1 << 20;

/// How long the end of the process waits for the last lines.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The process's log. There is none in a program that embeds the gateway: there it is the program's own.
static LOG: OnceLock<Arc<Queue>> = OnceLock::new();

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Writes what is left when it is dropped, within a bound.
pub(crate) struct LastWords(());

/// Puts lines into the queue.
struct Lines {
    queue: Arc<Queue>,
    form: LogForm,
}

// === impl LastWords ===

impl Drop for LastWords {
    fn drop(&mut self) {
        if let Some(queue) = LOG.get() {
            queue.flush(LAST_WORDS);
        }
    }
}

/// Starts the log. To be called once, before anything is logged.
///
/// # Errors
///
/// The system has no thread to give.
pub(crate) fn start(form: LogForm) -> io::Result<LastWords> {
    let queue = Arc::new(Queue::new(WAITING));
    let writer = Arc::clone(&queue);
    std::thread::Builder::new()
        .name("witgate-log".to_owned())
        .spawn(move || writer.write_to(&mut io::stderr()))?;
    let queue = LOG.get_or_init(|| queue);

    // The HTTP layer logs each broken connection as an error; here that is everyday life, and on the receipt.
    let filter = EnvFilter::try_from_env("WITGATE_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,pingora_core=off,pingora_pool=off"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Its own complaints would be printed past the queue.
        .log_internal_errors(false)
        .with_writer(Lines {
            queue: Arc::clone(queue),
            form,
        });
    match form {
        // Colours would be steering the terminal, which no line may.
        LogForm::Text => log.with_ansi(false).with_target(false).init(),
        LogForm::Json => log.json().init(),
    }
    panics::log_them();
    Ok(LastWords(()))
}

/// Says something on standard error that no filter may hide.
pub(crate) fn say(text: &str) {
    let line = format!("{text}\n");
    match LOG.get() {
        Some(queue) => queue.push(line.into_bytes()),
        // Nothing can be done about a standard error that takes nothing.
        None => drop(io::stderr().write_all(line.as_bytes())),
    }
}

/// Returns how many lines have been dropped since the start.
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
    /// Takes a whole line: the subscriber writes each one in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.push(line::one(self.form, line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
