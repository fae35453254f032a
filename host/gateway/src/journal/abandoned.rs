//! Exchanges of an old process that was killed while it drained.
//!
//! Usually its journal tells of each ([`super::predecessors`]). What is left is of a process without one, or of one whose disk
//! refused: its holds are known balance by balance, and neither their names nor how many there are in each. They are settled
//! at their last extensions, with one receipt for each owner of balances, so that the ledger remains the sum of the receipts.

use std::collections::BTreeMap;
use std::sync::Arc;

use witgate_ledger::{Abandoned, Amounts, Unit};

use super::Journal;
use super::orphans::Ending;
use super::predecessors::Predecessors;
use crate::clock::now;
use crate::gateway::Gateway;
use crate::receipts::charged::Charged;

// === impl Journal ===

impl Journal {
    /// Settles what a predecessor had open that has died. Blocks.
    pub(crate) fn abandon(&self, gateway: &Gateway) {
        if self.end_predecessors(gateway) == Predecessors::Some {
            // One that lives goes on with its holds.
            return;
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
}
