//! An upgrade without downtime: a new process takes over from the one that runs.
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
//! Until the commit nothing has happened: whatever goes wrong, the old process goes on as if nobody had asked. From then
//! on it takes no connections, and what its exchanges still come to (steps of holds, lines of receipts) goes to the new
//! process as a log: numbered records, each acknowledged, each counted once. If the new process disappears, what it has
//! not acknowledged is spooled to a file beside the receipts, and the next process that starts takes it from there. The
//! lock on that file says that the old process lives; when it is free, what its open holds had extended to is settled.
//!
//! One hand-over at a time: a process whose predecessor is still finishing refuses to be succeeded.

mod give;
mod inbox;
mod notify;
mod outbox;
mod record;
mod socket;
mod spool;
mod take;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub(crate) use self::give::{Giver, Sockets};
pub(crate) use self::inbox::sweep;
pub use self::notify::ready;
pub(crate) use self::socket::bind;
pub(crate) use self::take::{Follower, ask};

use self::inbox::{Inbox, outlive};
use crate::config::Config;
use crate::gateway::Gateway;

/// How long one process waits for the next word of the other before it goes on without it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts what the process before this one comes to, then what is in the spools of still earlier ones as each of them
/// ends. Ends early when this process stops.
pub(crate) fn outlive_all(
    follower: Option<Follower>,
    spools: Vec<PathBuf>,
    gateway: &Arc<Gateway>,
    stop: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send + use<> {
    let gateway = Arc::clone(gateway);
    async move {
        if let Some(follower) = follower {
            follower.follow(stop.clone()).await;
        }
        for spool in spools {
            outlive(Inbox::new(Arc::clone(&gateway)), spool, stop.clone()).await;
        }
    }
}

/// What spools are named after: the receipts file, or the upgrade socket where there are no receipts.
pub(crate) fn spool_base(config: &Config) -> Option<&Path> {
    config
        .receipts
        .file
        .as_deref()
        .or(config.upgrade.as_deref())
}

/// The spool of this process.
fn spool_path(base: &Path) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(format!(".handover-{}", std::process::id()));
    PathBuf::from(name)
}
