//! The charges of a batch: those of its requests, added up by account.

use std::collections::HashMap;
use std::sync::Arc;

use witgate_ledger::Unit;
use witgate_runtime::PluginCharge;

use crate::answer::refused::Refused;

/// Most charges of one batch, after those on the same account have been added up.
pub(crate) const MOST: usize = 1024;

/// Charges in the making.
#[derive(Default)]
pub(crate) struct Purse {
    charges: Vec<PluginCharge>,
    places: HashMap<Key, usize>,
}

/// Charges with the same key are one. The limit is part of it: it is what a charge is held against.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    plugin: Arc<str>,
    account: String,
    window: String,
    unit: String,
    limit: u64,
}

// === impl Purse ===

impl Purse {
    /// Puts in the charge of so many requests.
    ///
    /// # Errors
    ///
    /// There are too many different ones.
    pub(crate) fn put(&mut self, mut charge: PluginCharge, count: u64) -> Result<(), Refused> {
        // A batch is one request at a time, however many requests it makes.
        let places = charge.charge.unit == Unit::InFlight.code();
        if !places {
            charge.charge.amount = charge.charge.amount.saturating_mul(count);
        }
        let key = Key {
            plugin: Arc::clone(charge.plugin.name()),
            account: charge.charge.account.clone(),
            window: charge.charge.window.clone(),
            unit: charge.charge.unit.clone(),
            limit: charge.charge.limit,
        };
        let place = *self.places.entry(key).or_insert(self.charges.len());
        let Some(known) = self.charges.get_mut(place) else {
            if self.charges.len() == MOST {
                let message = format!(
                    "the requests of this batch are charged to more than {MOST} accounts: send it in smaller batches"
                );
                return Err(Refused::client(413, message));
            }
            self.charges.push(charge);
            return Ok(());
        };
        let (sum, more) = (&mut known.charge.amount, charge.charge.amount);
        *sum = if places {
            (*sum).max(more)
        } else {
            sum.saturating_add(more)
        };
        Ok(())
    }

    pub(crate) fn into_charges(self) -> Vec<PluginCharge> {
        self.charges
    }
}
