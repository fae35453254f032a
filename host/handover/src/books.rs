//! The ledger and the receipts of a process, as a handover needs them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use witgate_audit::{Health, Lines};
use witgate_ledger::{Ledger, UnixMillis};

use super::outbox::SuccessorSink;
use super::relay::Relay;

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

    /// Takes note that the successor keeps the ledger from now on: a step survives this process once the relay has it.
    fn relay(&self, relay: Relay);

    /// Sends all further receipts to the successor. Blocks until the ones before are written.
    fn switch(&self, sink: SuccessorSink);

    /// Settles what a process had open that has died, and is not to be asked any more, at the last extensions. Blocks.
    fn abandon(&self);

    /// Returns the time of day, as the ledger is told it.
    fn now(&self) -> UnixMillis;
}

/// Returns the path that spools lie beside: the receipts file, or the upgrade socket without one. `None` if the process has
/// neither.
pub(crate) fn spool_base(books: &dyn Books, socket: Option<&Path>) -> Option<PathBuf> {
    books.receipts_file().or_else(|| socket.map(Path::to_owned))
}
