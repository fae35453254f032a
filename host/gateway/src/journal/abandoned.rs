//! Exchanges of an old process that was killed while it drained.
//!
//! Usually its journal tells of each ([`super::predecessors`]). What is left is of a process without one, or of one whose disk
//! refused: its holds are known balance by balance, and neither their names nor how many there are in each. They are settled
//! at their last extensions, with one receipt for each owner of balances, so that the ledger remains the sum of the receipts.

use std::collections::BTreeMap;
use std::sync::Arc;

use witgate_ledger::{Abandoned, Amounts, Unit};

use super::orphans::Ending;
use super::predecessors::Predecessors;
use super::{Journal, Kept};
use crate::clock::now;
use crate::gateway::Gateway;
use crate::receipts::charged::Charged;

// === impl Journal ===

impl Journal {
    /// Settles what a predecessor had open that has died, and makes the resets that it was asked for and did not live to make. Blocks.
    pub(crate) fn abandon(&self, gateway: &Gateway) {
        if self.end_predecessors(gateway) == Predecessors::Some {
            // One that lives goes on with its holds.
            return;
        }
        if let Err(error) = self.make_resets(gateway) {
            tracing::error!(error = %format!("{error:#}"), "resets of live limits can't be looked for or noted; it is tried again at the next start");
        }
        let Abandoned { holds, used } = gateway.ledger.abandon_inherited();
        if holds == 0 {
            return;
        }
        tracing::warn!(
            holds,
            "settled the open holds of the old process at their last extension"
        );
        let mut by_owner = BTreeMap::<Arc<str>, Vec<Charged>>::new();
        for (balance, owner, used) in used {
            let charged = by_owner.entry(owner).or_default();
            charged.push(Charged { balance, used });
        }
        for (owner, charged) in by_owner {
            let most = |unit: Unit| {
                let of = charged.iter().filter(|it| it.balance.unit == unit);
                of.map(|it| it.used).max().unwrap_or(0)
            };
            let amounts = Amounts::by_unit(most);
            gateway.submit(Ending::of_predecessor(owner, now(), amounts, charged).receipt());
        }
        gateway.audit.flush();
    }

    /// Makes the resets that a kill has kept from being made.
    fn make_resets(&self, gateway: &Gateway) -> anyhow::Result<()> {
        // Without its journal, this process may not count anything for good.
        let Some(Ok(_)) = self.kept.as_ref().map(Kept::log) else {
            return Ok(());
        };
        let live = &gateway.budgets.live;
        let made = live.make_resets(&gateway.ledger, now())?;
        if made.is_empty() {
            return Ok(());
        }
        self.write()?;
        live.note_resets(&made)?;
        tracing::info!(
            resets = made.len(),
            "resets of live limits that a kill had left open are made"
        );
        Ok(())
    }
}
