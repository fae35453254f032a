//! An upgrade without downtime: a new process takes over from the running one.
//!
//! ```text
//! old                                     new
//!                                 hello   prepares everything, then asks
//! journal on, export  --- offer, sockets, balances -->
//!                     <-- ready           has taken over all of it
//! lets go             --- log, commit -->
//! drains              --- log --------->  serves
//!                     <-- ack
//! ```
//!
//! Nothing changes before the commit: if anything fails, the old process goes on as before. After the commit it accepts
//! no connections. The results of its remaining exchanges (steps of holds, receipt lines) reach the new process as a log
//! of numbered records, each acknowledged and counted once. If the new process disappears, unacknowledged records are
//! spooled to a file beside the receipts, and the next process to start recovers them. The old process holds a lock on
//! that file for as long as it lives; once the lock is free, its open holds are settled at their last extension.
//!
//! Handovers do not overlap: a process whose predecessor is still draining refuses to be succeeded.

mod frame;
mod inbox;
mod offer;
mod outbox;
mod record;
mod socket;
mod spool;
mod takeover;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use witgate_audit::{Health, Lines};
use witgate_ledger::{Ledger, UnixMillis};

pub use self::inbox::recover_spools;
pub use self::offer::{Handover, Sockets};
pub use self::outbox::SuccessorSink;
pub use self::socket::bind;
pub use self::takeover::{Inheritance, Predecessor, ask};

use self::inbox::{Inbox, drain_spool};

/// The longest wait of either process for the other's next message.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The ledger and the receipts of a process.
pub trait Books: Send + Sync + 'static {
    /// Returns the ledger.
    fn ledger(&self) -> &Arc<Ledger>;

    /// Returns the receipts file, or `None` if receipts are not kept.
    fn receipts_file(&self) -> Option<PathBuf>;

    /// Writes receipt lines that another process has rendered, and returns the health of their file. Blocks.
    fn write(&self, lines: Lines) -> Health;

    /// Sends all further receipts to the successor. Blocks until the ones before are written.
    fn switch(&self, sink: SuccessorSink);

    /// Returns the time of day, as the ledger is told it.
    fn now(&self) -> UnixMillis;
}

/// Counts the results of the predecessor, then those in the spools of earlier processes as each of these ends. Ends early
/// when this process stops.
pub async fn drain_predecessors(
    predecessor: Option<Predecessor>,
    spools: Vec<PathBuf>,
    books: Arc<dyn Books>,
    stop: watch::Receiver<bool>,
) {
    if let Some(predecessor) = predecessor {
        predecessor.follow(stop.clone()).await;
    }
    for spool in spools {
        drain_spool(Inbox::new(Arc::clone(&books)), spool, stop.clone()).await;
    }
}

/// Waits until the process stops.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A dropped sender is a stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Returns the error for a message that breaks the protocol.
fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// Returns the path of this process's spool: beside the receipts file, or beside the upgrade socket without one.
fn spool_path(base: &Path) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(format!(".handover-{}", std::process::id()));
    PathBuf::from(name)
}
