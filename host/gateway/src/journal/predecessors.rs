//! The ends of processes that handed over: what their journals tell of them once they have died.
//!
//! A process that drains writes its steps into its own journal before anybody else hears of them. When it has died, the process that
//! has taken over, or the next one, makes the steps that it has not heard of, ends each hold that was left open, and writes each
//! receipt that is missing, under the id that the client has got. If it is killed over this, the next one goes on: steps are
//! known by their places, and receipts by their ids.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Handle;
use witgate_audit::Health;
use witgate_journal::{Draining, Ended, Mark, Orphan, Recovered, draining, read_epoch};
use witgate_ledger::{Amounts, Position, Step};

use super::orphans::{Ending, REQUEST, settled_by, with_use, without_receipt};
use super::written::{Ids, Written, receipts_since};
use super::{Journal, Kept};
use crate::clock::now;
use crate::gateway::Gateway;

/// The first number of the steps by which holds that were left open are ended. No process makes so many.
const ENDINGS: u64 = 1 << 62;

/// The time for which a clock may have been set back.
const MARGIN: Duration = Duration::from_mins(1);

/// The interval between looks at a batch that is being settled.
const SETTLING: Duration = Duration::from_millis(1);

/// The processes that handed over to this one or one before, and still drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Predecessors {
    Some,
    None,
}

/// Returns the batches that processes have settled whose journals lie beside this epoch.
pub(super) fn batches_of_others(directory: &Path, epoch: u64) -> anyhow::Result<Ids> {
    let mut batches = Ids::new();
    for other in draining(directory)? {
        if other.epoch() == epoch {
            continue;
        }
        let (recovered, _) = read_epoch(directory, other.epoch(), u64::MAX)?;
        let ended = with_use(&recovered).into_iter().map(|ended| ended.name);
        batches.extend(ended.filter(|name| !name.starts_with(REQUEST)));
    }
    Ok(batches)
}

// === impl Journal ===

impl Journal {
    /// Ends what processes have left that handed over and have died. Blocks. What fails is done at the next start.
    pub(crate) fn end_predecessors(&self, gateway: &Gateway) -> Predecessors {
        let Some(kept) = &self.kept else {
            return Predecessors::None;
        };
        let directory = kept.state.journal();
        let found = draining(&directory).unwrap_or_else(|error| {
            tracing::error!(directory = %directory.display(), %error, "the journals of processes that handed over can't be looked for");
            Vec::new()
        });
        let own = kept.mark.lock().as_ref().map(Mark::epoch);
        let mut left = Predecessors::None;
        for found in found {
            match found {
                Draining::Alive(epoch) if Some(epoch) == own => {}
                Draining::Alive(_) => left = Predecessors::Some,
                // Without a journal of its own, this process may not count anything for good.
                Draining::Dead(_) if kept.log.get().is_none() => left = Predecessors::Some,
                Draining::Dead(mark) => {
                    let epoch = mark.epoch();
                    if let Err(error) = kept.end(mark, gateway) {
                        tracing::error!(epoch, error = %format!("{error:#}"), "what a process that handed over has left can't be settled; it is tried again at the next start");
                    }
                }
            }
        }
        left
    }
}

// === impl Kept ===

impl Kept {
    /// Ends what one process has left.
    fn end(&self, mark: Mark, gateway: &Gateway) -> anyhow::Result<()> {
        let directory = self.state.journal();
        let (epoch, ledger) = (mark.epoch(), &gateway.ledger);
        let heard = ledger.applied(epoch);
        let (recovered, steps) = read_epoch(&directory, epoch, heard)?;
        for step in &steps {
            let rejected = {
                let made = (step.step, &*step.name);
                ledger.apply(Some(step.position), made, &step.changes, now())
            };
            if rejected > 0 {
                tracing::error!(
                    balances = rejected,
                    "the ledger is full, so spending of the old process is not counted; raise `ledger.accounts`"
                );
            }
        }
        let last = recovered.position().sequence;
        let endings = if (last + 1..ENDINGS).contains(&heard) {
            tracing::error!(
                epoch,
                missing = heard - last,
                "the journal of a process that handed over lacks its last steps, because the disk refused them; what it had open is settled together"
            );
            Vec::new()
        } else {
            let left = Left::read(&recovered, &mark, gateway)?;
            left.settle(&recovered, epoch, gateway)
        };
        self.log()?.write()?;
        let count = endings.len();
        for ending in endings {
            gateway.submit(ending.receipt());
        }
        gateway.audit.flush();
        anyhow::ensure!(
            gateway.audit.health() == Health::Well,
            "the receipts file can't be written"
        );
        if count > 0 {
            tracing::warn!(
                receipts = count,
                "a process that handed over was killed; its open holds are settled, and receipts that it did not live to write are written"
            );
        }
        mark.clear()
            .with_context(|| format!("{} can't be written", directory.display()))
    }
}

/// What a process has left.
struct Left {
    orphans: Vec<Orphan>,
    ended: Vec<Ended>,
    /// The batches among the orphans that were settled, by whichever process.
    settled: HashMap<Arc<str>, Amounts>,
    receipts: Written,
}

// === impl Left ===

impl Left {
    fn read(recovered: &Recovered, mark: &Mark, gateway: &Gateway) -> anyhow::Result<Self> {
        let (orphans, ended) = (recovered.orphans(), with_use(recovered));
        let mut settled = HashMap::new();
        for batch in orphans.iter().filter(|orphan| is_batch(orphan)) {
            let amounts = Handle::current().block_on(gateway.batches.settled(&batch.name))?;
            settled.extend(amounts.map(|amounts| (Arc::clone(&batch.name), amounts)));
            // If it was this process, its receipt is about to be submitted.
            while gateway.batches.is_settling(&batch.name) {
                std::thread::sleep(SETTLING);
            }
        }
        // What this process has submitted counts.
        gateway.audit.flush();
        let names = orphans.iter().map(|orphan| &orphan.name);
        let names = names.chain(ended.iter().map(|ended| &ended.name));
        let names: Ids = names.map(Arc::clone).collect();
        let receipts = match &gateway.snapshot().config.receipts.file {
            Some(file) => receipts_since(&names, file, mark.since()? - MARGIN)
                .with_context(|| format!("the receipts in {} can't be read", file.display()))?,
            None => Written::new(),
        };
        Ok(Self {
            orphans,
            ended,
            settled,
            receipts,
        })
    }

    /// Ends the open holds in the ledger. Returns the settlements without receipts.
    fn settle(self, recovered: &Recovered, epoch: u64, gateway: &Gateway) -> Vec<Ending> {
        let has_file = gateway.snapshot().config.receipts.file.is_some();
        let mut endings = Vec::new();
        if has_file {
            endings.extend(without_receipt(&self.ended, &self.receipts).map(Ending::settled));
        }
        for (orphan, sequence) in self.orphans.into_iter().zip(ENDINGS..) {
            let receipt = self.receipts.get(&orphan.name);
            let is_batch = is_batch(&orphan);
            let amounts = match (receipt, is_batch) {
                (Some(receipt), false) => settled_by(receipt, orphan.extended),
                (None, false) => orphan.extended,
                // The process that has written it has counted it.
                (Some(_), true) => Amounts::default(),
                (None, true) => self.settled.get(&orphan.name).copied().unwrap_or_default(),
            };
            let changes = recovered.ending(orphan.number, amounts);
            let position = Position { epoch, sequence };
            gateway
                .ledger
                .apply(Some(position), (Step::Ended, ""), &changes, now());
            if receipt.is_none() && !is_batch {
                endings.push(Ending::estimated(orphan));
            } else if receipt.is_none() && amounts != Amounts::default() {
                endings.push(Ending::settled(&Ended {
                    name: orphan.name,
                    owner: orphan.owner,
                    opened: orphan.opened,
                    amounts,
                    balances: orphan.balances,
                }));
            }
        }
        endings
    }
}

/// Returns true for the hold of a batch, which outlives the exchange that created it.
fn is_batch(orphan: &Orphan) -> bool {
    !orphan.name.is_empty() && !orphan.name.starts_with(REQUEST)
}
