//! The charges of a batch: the sums of its requests' charges by account.

use std::collections::HashMap;
use std::sync::Arc;

use witgate_runtime::Unit;

use crate::answer::refused::Refused;
use crate::exchange::decide::charge::BudgetCharge;

/// Largest number of charges of a batch, after those on the same account are summed.
pub(crate) const MAX_CHARGES: usize = 1024;

/// The charges of a batch under construction.
#[derive(Default)]
pub(crate) struct BatchCharges {
    charges: Vec<BudgetCharge>,
    indices: HashMap<Key, usize>,
}

/// The key by which charges are summed. The limit is part of it, because a charge is checked against it, and so is the default one,
/// which may hold again.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    /// The plugin, or `None` for an operator's live limit.
    plugin: Option<Arc<str>>,
    account: String,
    window: String,
    unit: String,
    limits: (u64, u64),
}

// === impl BatchCharges ===

impl BatchCharges {
    /// Adds the charge of `count` requests.
    ///
    /// # Errors
    ///
    /// 413 if there are too many accounts.
    pub(crate) fn add(&mut self, mut charge: BudgetCharge, count: u64) -> Result<(), Refused> {
        // A batch is one request in flight, of one session, however many requests it contains.
        let is_level = matches!(charge.charge.unit, Unit::InFlight | Unit::Sessions);
        if !is_level {
            charge.charge.amount = charge.charge.amount.saturating_mul(count);
        }
        let key = Key {
            plugin: charge.by.plugin().cloned(),
            account: charge.charge.account.clone(),
            window: charge.charge.window.code().to_owned(),
            unit: charge.charge.unit.code().to_owned(),
            limits: (charge.charge.limit, charge.default_limit),
        };
        let index = *self.indices.entry(key).or_insert(self.charges.len());
        let Some(known) = self.charges.get_mut(index) else {
            if self.charges.len() == MAX_CHARGES {
                let message = format!(
                    "the requests of this batch are charged to more than {MAX_CHARGES} accounts: send it in smaller batches"
                );
                return Err(Refused::client(413, message));
            }
            self.charges.push(charge);
            return Ok(());
        };
        let (sum, more) = (&mut known.charge.amount, charge.charge.amount);
        *sum = if is_level {
            (*sum).max(more)
        } else {
            sum.saturating_add(more)
        };
        Ok(())
    }

    pub(crate) fn into_list(self) -> Vec<BudgetCharge> {
        self.charges
    }
}
