//! The log on the side of the process that serves now: counted once, in the ledger and in the receipts file.
//!
//! Records are told apart by their numbers as long as this process lives. A spool may hold receipts that a process wrote
//! and did not live to acknowledge: those are known by their lines, each of which is some exchange's own.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use witgate_audit::{Health, Lines};

use super::record::{Event, Record, step};
use super::spool::{Found, Spool};
use crate::clock::now;
use crate::gateway::Gateway;
use crate::listen::stopped;

/// Time between two looks at a spool whose process lives.
const LOOK: Duration = Duration::from_millis(200);

/// Where the log of one old process arrives.
pub(super) struct Inbox {
    gateway: Arc<Gateway>,
    /// The number of the last record that was counted.
    last: u64,
}

// === impl Inbox ===

impl Inbox {
    pub(super) fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway, last: 0 }
    }

    pub(super) fn gateway(&self) -> Arc<Gateway> {
        Arc::clone(&self.gateway)
    }

    /// Counts lines of the log, as they come from the old process. Gives the number of the last record. Blocks.
    pub(super) fn take(&mut self, lines: &[u8]) -> io::Result<u64> {
        let receipts = self.count(lines)?;
        self.write(receipts);
        Ok(self.last)
    }

    /// Counts a spool and deletes it. Blocks.
    fn take_spool(&mut self, mut spool: Spool) -> io::Result<()> {
        let lines = spool.lines()?;
        let mut receipts = self.count(&lines)?;
        if !receipts.is_empty()
            && let Some(file) = &self.gateway.snapshot().config.receipts.file
        {
            forget_written(&mut receipts, file)?;
        }
        let count = receipts.len();
        if self.write(receipts) != Health::Well {
            tracing::error!(path = %spool.path().display(), "the spool's receipts can't be written yet; it stays for the next start");
            return Ok(());
        }
        tracing::info!(path = %spool.path().display(), receipts = count, "what an earlier process left was taken in");
        spool.delete()
    }

    /// Counts steps of holds, and gives the receipts' lines.
    fn count(&mut self, lines: &[u8]) -> io::Result<Vec<String>> {
        let mut receipts = Vec::new();
        for record in Record::read_all(lines)? {
            if record.number <= self.last {
                tracing::debug!(number = record.number, "a record came twice");
                continue;
            }
            match record.event {
                Event::Receipts(lines) => receipts.extend(lines.lines().map(str::to_owned)),
                Event::Hold {
                    step: code,
                    changes,
                } => {
                    let changes = changes
                        .iter()
                        .map(super::record::ChangeRecord::read)
                        .collect::<io::Result<Vec<_>>>()?;
                    let homeless = self.gateway.ledger.apply(step(&code)?, &changes, now());
                    if homeless > 0 {
                        tracing::error!(
                            balances = homeless,
                            "the ledger is full (`ledger.accounts`): spending of the old process is not counted"
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
        self.gateway.audit.write(lines)
    }
}

/// Takes in whatever is at `path`, as soon as its process is gone; what its open holds had extended to is settled then.
/// Ends early when this process stops: the next one takes it in.
pub(super) async fn outlive(mut inbox: Inbox, path: PathBuf, mut stop: watch::Receiver<bool>) {
    loop {
        let look = path.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let found = Spool::find(&look);
            let taken = match found {
                Ok(Found::InUse) => None,
                Ok(Found::Nothing) => Some(Ok(())),
                Ok(Found::Left(spool)) => Some(inbox.take_spool(spool)),
                Err(error) => Some(Err(error)),
            };
            (inbox, taken)
        });
        let Ok((back, taken)) = looked.await else {
            return;
        };
        inbox = back;
        if let Some(taken) = taken {
            if let Err(error) = taken {
                tracing::error!(path = %path.display(), %error, "what an earlier process left can't be taken in");
            }
            let abandoned = inbox.gateway.ledger.abandon_inherited();
            if abandoned > 0 {
                tracing::warn!(
                    holds = abandoned,
                    "holds of the old process were settled at their last extension"
                );
            }
            return;
        }
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = sleep(LOOK) => {}
        }
    }
}

/// Takes in what earlier processes have left beside `base`. Gives the spools whose processes live. Blocks.
pub(crate) fn sweep(base: &Path, gateway: &Arc<Gateway>) -> Vec<PathBuf> {
    let spools = Spool::beside(base).unwrap_or_else(|error| {
        tracing::error!(base = %base.display(), %error, "whether an earlier process left anything can't be seen");
        Vec::new()
    });
    let mut alive = Vec::new();
    for path in spools {
        let taken = match Spool::find(&path) {
            Ok(Found::Left(spool)) => Inbox::new(Arc::clone(gateway)).take_spool(spool),
            Ok(Found::Nothing) => Ok(()),
            Ok(Found::InUse) => {
                alive.push(path);
                continue;
            }
            Err(error) => Err(error),
        };
        if let Err(error) = taken {
            tracing::error!(path = %path.display(), %error, "what an earlier process left can't be taken in");
        }
    }
    gateway.ledger.abandon_inherited();
    alive
}

/// Drops the receipts that are in the file, or in the one that it was rotated to last.
fn forget_written(receipts: &mut Vec<String>, file: &Path) -> io::Result<()> {
    let mut rotated = file.as_os_str().to_owned();
    rotated.push(".1");
    let mut written = HashSet::new();
    {
        let wanted: HashSet<&[u8]> = receipts.iter().map(String::as_bytes).collect();
        for path in [Path::new(&rotated), file] {
            let opened = match File::open(path) {
                Ok(opened) => opened,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for line in BufReader::new(opened).split(b'\n') {
                let line = line?;
                if wanted.contains(line.as_slice()) {
                    written.insert(line);
                }
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
        std::fs::write(folder.path().join("receipts.jsonl.1"), "{\"id\":\"a\"}\n").unwrap();
        let mut receipts: Vec<_> = ["a", "b", "c", "half"]
            .iter()
            .map(|id| format!("{{\"id\":\"{id}\"}}"))
            .collect();
        forget_written(&mut receipts, &file).unwrap();
        assert_eq!(
            receipts,
            ["{\"id\":\"c\"}", "{\"id\":\"half\"}"],
            "what is not there, or not whole"
        );
    }
}
