//! The ledger and the receipts of a process, as a handover needs them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use witgate_audit::{Health, Lines};
use witgate_ledger::{Ledger, UnixMillis};

use super::outbox::SuccessorSink;

/// The ledger and the receipts of a process.
pub trait Books: Send + Sync + 'static {
    /// Returns the ledger.
    fn ledger(&self) -> &Arc<Ledger>;

    /// Returns the receipts file, or `None` if receipts are not kept.
    fn receipts_file(&self) -> Option<PathBuf>;

    /// Writes receipt lines that another process has rendered, and returns the health of their file. Blocks.
    fn write(&self, lines: Lines) -> Health;

    /// Makes every step of the ledger so far survive this process, if its ledger lasts. Blocks.
    ///
    /// # Errors
    ///
    /// The reason why it does not.
    fn keep(&self) -> Result<(), String>;

    /// Prepares for a successor, beside which this process keeps its own steps of the ledger. Blocks.
    ///
    /// # Errors
    ///
    /// The system's error.
    fn mark(&self) -> std::io::Result<()>;

    /// Goes on without a successor. Blocks.
    fn unmark(&self);

    /// Takes note that the successor has counted all of this process. Blocks.
    fn counted(&self);

    /// Sends all further receipts to the successor. Blocks until the ones before are written.
    fn switch(&self, sink: SuccessorSink);

    /// Settles what a process had open that has died, and is not to be asked any more, at the last extensions. Blocks.
    fn abandon(&self);

    /// Returns what else a successor is told, in a form that only the gateway knows.
    fn notes(&self) -> Value;

    /// Takes over what else the predecessor has told, before this process serves.
    fn take_notes(&self, notes: &Value);

    /// Returns the time of day, as the ledger is told it.
    fn now(&self) -> UnixMillis;
}

/// Returns the path that spools lie beside: the receipts file, or the upgrade socket without one. `None` if the process has
/// neither.
pub(crate) fn spool_base(books: &dyn Books, socket: Option<&Path>) -> Option<PathBuf> {
    books.receipts_file().or_else(|| socket.map(Path::to_owned))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Books without receipts, whose ledger does not last.
    pub(crate) struct Blank(Arc<Ledger>);

    impl Blank {
        pub(crate) fn books() -> Arc<dyn Books> {
            Arc::new(Self(Ledger::new()))
        }
    }

    impl Books for Blank {
        fn ledger(&self) -> &Arc<Ledger> {
            &self.0
        }

        fn receipts_file(&self) -> Option<PathBuf> {
            None
        }

        fn write(&self, _lines: Lines) -> Health {
            Health::Well
        }

        fn keep(&self) -> Result<(), String> {
            Ok(())
        }

        fn mark(&self) -> std::io::Result<()> {
            Ok(())
        }

        fn unmark(&self) {}

        fn counted(&self) {}

        fn switch(&self, _sink: SuccessorSink) {}

        fn abandon(&self) {}

        fn notes(&self) -> Value {
            Value::Null
        }

        fn take_notes(&self, _notes: &Value) {}

        fn now(&self) -> UnixMillis {
            UnixMillis(0)
        }
    }
}
