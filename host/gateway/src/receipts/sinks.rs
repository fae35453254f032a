//! Further destinations of receipts beside their files: the standard output, a webhook, and OpenTelemetry logs.
//!
//! None of them holds up a request. One that is away keeps its queue and is asked again; a full queue drops receipts and counts
//! them, unless the operator wants the file to wait (`when_full = "block"`).

mod http;
mod otlp;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use witgate_audit::outlet::{Bounds, Outlet, Running, Undelivered};

use self::http::{Form, Posts};
use crate::config::receipts_sinks::{Refusals, Sink, Target};
use crate::outgoing::Outgoing;

/// Maximum bytes of a delivery.
const BATCH_BYTES: usize = 1024 * 1024;

/// Time until the first retry, and between later ones at most.
const RETRIES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// Time at the end of the process in which what waits is delivered.
const PATIENCE: Duration = Duration::from_secs(5);

/// The further destinations of receipts.
#[derive(Debug, Default)]
pub(crate) struct Sinks(Vec<(Arc<Running>, Refusals)>);

struct Stdout;

// === impl Sinks ===

impl Sinks {
    /// Starts the sinks.
    ///
    /// # Errors
    ///
    /// The system has no thread to give.
    pub(crate) fn start(config: &[Sink]) -> io::Result<Self> {
        let outgoing = Arc::new(Outgoing::default());
        let sinks = config.iter().map(|sink| {
            let bounds = Bounds {
                name: Arc::clone(&sink.name),
                queue_bytes: sink.queue_bytes,
                when_full: sink.when_full,
                batch_bytes: BATCH_BYTES,
                first_retry: RETRIES.0,
                longest_retry: RETRIES.1,
            };
            let posts = |endpoint, form| Posts::new(Arc::clone(&outgoing), endpoint, form);
            let running = match &sink.target {
                Target::Stdout => Running::start(bounds, Stdout),
                Target::Webhook(endpoint) => Running::start(bounds, posts(endpoint, Form::Lines)),
                Target::Otlp(endpoint) => Running::start(bounds, posts(endpoint, Form::Otlp)),
            };
            Ok((Arc::new(running?), sink.refusals))
        });
        sinks.collect::<io::Result<_>>().map(Self)
    }

    /// Returns the sinks of evidence.
    pub(super) fn of_evidence(&self) -> Vec<Arc<Running>> {
        self.all().collect()
    }

    /// Returns the sinks that get refusals, too.
    pub(super) fn of_refusals(&self) -> Vec<Arc<Running>> {
        let sent = |(running, refusals): &(Arc<Running>, Refusals)| {
            (*refusals == Refusals::Sent).then(|| Arc::clone(running))
        };
        self.0.iter().filter_map(sent).collect()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Arc<Running>> {
        self.0.iter().map(|(running, _)| Arc::clone(running))
    }

    /// Delivers what waits, for a while. Blocks.
    pub(super) fn shutdown(&self) {
        self.all().for_each(|running| running.shutdown(PATIENCE));
    }
}

impl Outlet for Stdout {
    fn deliver(&mut self, lines: &[u8]) -> Result<(), Undelivered> {
        let mut out = io::stdout().lock();
        let written = out.write_all(lines).and_then(|()| out.flush());
        written.map_err(|error| Undelivered::Later(error.to_string()))
    }
}
