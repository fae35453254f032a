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
//! No record leaves the old process before its own books keep the steps in it. So they know as much as any other process
//! when all of them have died, and by the names of the exchanges.
//!
//! Handovers do not overlap: a process whose predecessor is still draining refuses to be succeeded.

mod books;
mod frame;
mod inbox;
mod offer;
mod outbox;
mod record;
mod socket;
mod spool;
mod stop;
mod takeover;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

pub use self::books::Books;
pub use self::inbox::{recover_spools, spooled_receipts};
pub use self::offer::{Handover, Sockets};
pub use self::outbox::SuccessorSink;
pub use self::socket::bind;
pub use self::takeover::{Inheritance, Predecessor, ask};

use self::inbox::{Inbox, drain_spool};

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
