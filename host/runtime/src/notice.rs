//! Log lines about slow compilations.
//!
//! A large component compiles for many seconds. Without a log line, the host would seem to hang.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::dispatcher;

/// The time after which a compilation is logged.
const NOTICE_AFTER: Duration = Duration::from_secs(1);

/// Compiles a plugin of `bytes` bytes, and logs that once it has taken longer than [`NOTICE_AFTER`].
pub(crate) fn while_compiling<T>(plugin: &str, bytes: usize, compile: impl FnOnce() -> T) -> T {
    noticed(NOTICE_AFTER, plugin, bytes, compile)
}

fn noticed<T>(patience: Duration, plugin: &str, bytes: usize, compile: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let (done, waiting) = mpsc::channel::<()>();
    let name = plugin.to_owned();
    let log = dispatcher::get_default(Clone::clone);
    // Without a thread there is no line, which does not harm the compilation.
    let watch = thread::Builder::new()
        .name("witgate-notice".to_owned())
        .spawn(move || {
            if waiting.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                dispatcher::with_default(&log, || {
                    tracing::info!(plugin = name, kib = bytes / 1024, "compiling {name}…");
                });
            }
        });
    let compiled = compile();
    drop(done);
    let took = begun.elapsed();
    if let Ok(watch) = watch {
        // The thread does not panic.
        let _ = watch.join();
    }
    if took > patience {
        tracing::info!(plugin, "compiled {plugin} in {} ms", took.as_millis());
    }
    compiled
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use std::fmt;
    use std::sync::Arc;
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    /// A subscriber that keeps the texts of the lines.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    impl Lines {
        fn all(&self) -> Vec<String> {
            self.0.lock().clone()
        }
    }

    impl Visit for Lines {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if field.name() == "message" {
                self.0.lock().push(format!("{value:?}"));
            }
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn a_compilation_that_takes_long_is_told_while_it_runs_and_when_it_has_ended() {
        let lines = Lines::default();
        tracing::subscriber::with_default(lines.clone(), || {
            noticed(Duration::ZERO, "python", 4096, || {
                while lines.all().is_empty() {
                    thread::yield_now();
                }
                assert_eq!(lines.all(), ["compiling python…"], "while it runs");
            });
        });
        let all = lines.all();
        assert_eq!(all.len(), 2, "one line more when it has ended: {all:?}");
        assert!(all[1].starts_with("compiled python in "), "{all:?}");
    }

    #[test]
    fn a_short_compilation_goes_without_a_word() {
        let lines = Lines::default();
        let value = tracing::subscriber::with_default(lines.clone(), || {
            noticed(Duration::from_secs(3600), "route", 4096, || 7)
        });
        assert_eq!(value, 7, "what was compiled");
        assert!(lines.all().is_empty(), "{:?}", lines.all());
    }
}
