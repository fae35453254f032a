//! The receiving end of the log: counts each record once, in the ledger and in the receipts file.
//!
//! Record numbers identify records while this process lives. A spool may hold receipts that an earlier process wrote but
//! did not live to acknowledge; these are recognised by their lines, which are unique to their exchanges.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::sleep;
use witgate_audit::{Health, Lines, segments};

use super::books::{Books, spool_base};
use super::record::{Event, Record};
use super::spool::{Found, Spool};
use super::stop::stopped;

/// The interval between looks at the spool of a live process.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The receiver of the log of one old process.
#[derive(Clone)]
pub(crate) struct Inbox {
    books: Arc<dyn Books>,
    /// The number of the last counted record.
    last: u64,
}

/// The process that answers for the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The old one: it keeps every step itself.
    Offered,
    /// This one.
    Committed,
}

// === impl Inbox ===

impl Inbox {
    pub(crate) fn new(books: Arc<dyn Books>) -> Self {
        Self { books, last: 0 }
    }

    /// Counts lines of the log of a live process, and returns the number of the last record. If this process answers for the
    /// ledger, that survives it before a receipt is written: a receipt whose use was forgotten would never be counted. Blocks.
    pub(crate) fn take(&mut self, lines: &[u8], stage: Stage) -> io::Result<u64> {
        let receipts = self.count(lines)?;
        let kept = match stage {
            Stage::Offered => Ok(()),
            Stage::Committed => self.keep(),
        };
        // Also if the disk refuses the ledger, because these records are counted.
        self.write(receipts);
        kept.map(|()| self.last)
    }

    /// Makes everything that was counted survive this process. Blocks.
    fn keep(&self) -> io::Result<()> {
        self.books.keep().map_err(io::Error::other)
    }

    /// Counts a spool and deletes it. Blocks.
    fn take_spool(&mut self, mut spool: Spool) -> io::Result<()> {
        let lines = spool.lines()?;
        let mut receipts = self.count(&lines)?;
        if !receipts.is_empty()
            && let Some(file) = self.books.receipts_file()
        {
            forget_written(&mut receipts, &file, spool.since())?;
        }
        self.keep()?;
        let count = receipts.len();
        if self.write(receipts) != Health::Well {
            tracing::error!(path = %spool.path().display(), "the receipts file can't be written; keeping the spool for the next start");
            return Ok(());
        }
        tracing::info!(path = %spool.path().display(), receipts = count, "recovered the spool of an earlier process");
        spool.delete()
    }

    /// Recovers the spool of an earlier process. Returns `false` if that process still lives.
    fn recover(&mut self, path: &Path) -> bool {
        let taken = match Spool::find(path) {
            Ok(Found::InUse) => return false,
            Ok(Found::Missing) => Ok(()),
            Ok(Found::Orphaned(spool)) => self.take_spool(spool),
            Err(error) => Err(error),
        };
        if let Err(error) = taken {
            tracing::error!(path = %path.display(), %error, "could not recover the spool of an earlier process; it is tried again at the next start");
        }
        true
    }

    /// Counts the steps of holds, and returns the lines of receipts.
    fn count(&mut self, lines: &[u8]) -> io::Result<Vec<String>> {
        let mut receipts = Vec::new();
        for record in Record::read_all(lines)? {
            if record.number <= self.last {
                tracing::debug!(number = record.number, "skipped a duplicate record");
                continue;
            }
            match record.event {
                Event::Receipts(lines) => receipts.extend(lines.lines().map(str::to_owned)),
                Event::Hold {
                    step,
                    changes,
                    name,
                    position,
                } => {
                    let ledger = self.books.ledger();
                    let rejected =
                        ledger.apply(position, (step, &name), &changes, self.books.now());
                    if rejected > 0 {
                        tracing::error!(
                            balances = rejected,
                            "the ledger is full, so spending of the old process is not counted; raise `ledger.accounts`"
                        );
                    }
                }
            }
            self.last = record.number;
        }
        Ok(receipts)
    }

    fn write(&self, receipts: Vec<String>) -> Health {
        let mut lines = Lines::new();
        for receipt in receipts {
            lines.push(receipt.as_bytes());
        }
        self.books.write(lines)
    }
}

/// Recovers the spool at `path` once its process has ended, and settles that process's open holds at their last
/// extension. Ends early when this process stops; the next one recovers the spool then.
pub(crate) async fn drain_spool(mut inbox: Inbox, path: PathBuf, mut stop: watch::Receiver<bool>) {
    loop {
        let look = path.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let is_over = inbox.recover(&look);
            (inbox, is_over)
        });
        let Ok((back, is_over)) = looked.await else {
            return;
        };
        inbox = back;
        if is_over {
            let books = Arc::clone(&inbox.books);
            // A panic is logged where it happens.
            let _ = tokio::task::spawn_blocking(move || books.abandon()).await;
            return;
        }
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = sleep(POLL_INTERVAL) => {}
        }
    }
}

/// Recovers the spools that earlier processes left, and returns those whose processes still live. `socket` is the upgrade
/// socket, if this process has one. Blocks.
pub fn recover_spools(socket: Option<&Path>, books: &Arc<dyn Books>) -> Vec<PathBuf> {
    let Some(base) = spool_base(&**books, socket) else {
        return Vec::new();
    };
    let spools = Spool::beside(&base).unwrap_or_else(|error| {
        tracing::error!(base = %base.display(), %error, "could not look for spools of earlier processes");
        Vec::new()
    });
    let is_alive = |path: &PathBuf| !Inbox::new(Arc::clone(books)).recover(path);
    let alive: Vec<_> = spools.into_iter().filter(is_alive).collect();
    // What is left open belongs to the process that still drains, if there is one.
    if alive.is_empty() {
        books.abandon();
    }
    alive
}

/// Returns the receipts in the spools of processes that have ended, which lie beside the receipts file. Blocks.
///
/// # Errors
///
/// The system's error, or a spool is damaged.
pub fn spooled_receipts(file: &Path) -> io::Result<Vec<String>> {
    let mut receipts = Vec::new();
    for path in Spool::beside(file)? {
        let Found::Orphaned(mut spool) = Spool::find(&path)? else {
            continue;
        };
        for record in Record::read_all(&spool.lines()?)? {
            if let Event::Receipts(lines) = record.event {
                receipts.extend(lines.lines().map(str::to_owned));
            }
        }
    }
    Ok(receipts)
}

/// Drops the receipts that are already in the file or in its closed segments, of which those that were closed before `since` have
/// none. If that is not known, only the newest are read.
fn forget_written(
    receipts: &mut Vec<String>,
    file: &Path,
    since: Option<SystemTime>,
) -> io::Result<()> {
    let mut written = HashSet::new();
    {
        let wanted: HashSet<&[u8]> = receipts.iter().map(String::as_bytes).collect();
        let lines = match since {
            Some(since) => segments::Lines::open(file, Some(since))?,
            None => segments::recent(file)?,
        };
        for line in lines {
            let line = line?;
            if wanted.contains(line.as_slice()) {
                written.insert(line);
            }
        }
    }
    receipts.retain(|receipt| !written.contains(receipt.as_bytes()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_that_are_in_the_file_are_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("receipts.jsonl");
        std::fs::write(&file, "{\"id\":\"b\"}\n{\"id\":\"half").unwrap();
        std::fs::write(
            folder.path().join("receipts.jsonl.000001"),
            "{\"id\":\"a\"}\n",
        )
        .unwrap();
        let mut receipts: Vec<_> = ["a", "b", "c", "half"]
            .iter()
            .map(|id| format!("{{\"id\":\"{id}\"}}"))
            .collect();
        forget_written(&mut receipts, &file, None).unwrap();
        assert_eq!(
            receipts,
            ["{\"id\":\"c\"}", "{\"id\":\"half\"}"],
            "only missing receipts and those cut short are left"
        );
    }
}
