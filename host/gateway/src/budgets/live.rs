//! Limits that operators set while the gateway runs (ADR 26). Those of sidecars are the default, and these win.
//!
//! A table in memory answers requests, without a lock, and without any work while it is empty. Every change goes to the database
//! together with its record, and only then into the table. Changes of two operators follow one another.

pub(crate) mod accounts;
pub(crate) mod change;
pub(crate) mod defaults;
pub(crate) mod in_force;
pub(crate) mod limit;
pub(crate) mod records;
pub(crate) mod resets;
pub(crate) mod table;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rusqlite::TransactionBehavior;
use witgate_ledger::{Ledger, UnixMillis};

use self::change::{Done, Refusal, Request};
use self::in_force::Tiers;
pub(crate) use self::limit::UNLIMITED;
pub(crate) use self::records::MIGRATION;
use self::resets::Made;
pub(crate) use self::resets::RESETS;
pub(crate) use self::table::Table;
use crate::store::{Durability, Store, StoreError};

/// The live limits of a gateway.
pub(crate) struct LiveLimits {
    store: Store,
    table: ArcSwap<Table>,
    tiers: Tiers,
}

// === impl LiveLimits ===

impl fmt::Debug for LiveLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveLimits")
            .field("limits", &self.table().all().len())
            .finish_non_exhaustive()
    }
}

impl LiveLimits {
    /// Reads the limits. Blocks.
    ///
    /// # Errors
    ///
    /// The store can't be read.
    pub(crate) fn open(store: Store) -> Result<Self, StoreError> {
        let limits = Self {
            store,
            table: ArcSwap::default(),
            tiers: Tiers::default(),
        };
        limits.refresh()?;
        Ok(limits)
    }

    /// Reads the limits again: another process may have changed them until it handed over. Blocks.
    ///
    /// # Errors
    ///
    /// The store can't be read.
    pub(crate) fn refresh(&self) -> Result<(), StoreError> {
        self.store.call_blocking(|db| {
            let known = self.table.load();
            self.table.store(Arc::new(records::load(db, &known)?));
            Ok(())
        })
    }

    /// Returns the limits in force.
    pub(crate) fn table(&self) -> arc_swap::Guard<Arc<Table>> {
        self.table.load()
    }

    /// Returns the tiers of accounts, as far as they are known.
    pub(crate) fn tiers(&self) -> &Tiers {
        &self.tiers
    }

    /// Returns whether the limits outlive the process.
    pub(crate) fn is_durable(&self) -> bool {
        self.store.durability() == Durability::Disk
    }

    /// Makes a change and its record. Both are durable when this returns, if the store is, a reset too: the ledger has made
    /// it, and a start would otherwise. Once the journal has it, it is to be noted ([`LiveLimits::note_reset`]). Requests see the change from
    /// then on.
    ///
    /// # Errors
    ///
    /// The change is not possible now, or the store can't be written. Nothing has changed then.
    pub(crate) async fn change(
        self: &Arc<Self>,
        ledger: &Arc<Ledger>,
        request: Request,
        now: UnixMillis,
    ) -> Result<Result<(Done, Option<Made>), Refusal>, StoreError> {
        let (limits, ledger) = (Arc::clone(self), Arc::clone(ledger));
        let changing = self.store.call(move |db| {
            // The lock is taken at once: of two processes, one waits for the other.
            let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let known = limits.table.load_full();
            let done = match change::make(&transaction, &ledger, &request, now)? {
                Ok(done) => done,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let table = records::load(&transaction, &known)?;
            transaction.commit()?;
            show(&table, &known, &ledger, &done, now);
            limits.table.store(Arc::new(table));
            let made = done.reset.as_ref().map(|name| {
                let on = &done.seen;
                let cleared = ledger.reset(name, &(&*on.account).into(), on.window, on.unit, now);
                Made::new(Arc::clone(name), cleared)
            });
            Ok(Ok((done, made)))
        });
        changing.await
    }

    /// Returns the records of changes that a question asks for, the newest first.
    ///
    /// # Errors
    ///
    /// The store can't be read.
    pub(crate) async fn audit(&self, asked: records::Asked) -> Result<records::Answer, StoreError> {
        self.store.read(move |db| records::audit(db, &asked)).await
    }
}

/// Lets statements show the limit that holds after a change, if the default is known; the next request would.
fn show(table: &Table, known: &Table, ledger: &Ledger, done: &Done, now: UnixMillis) {
    let (account, window, unit) = (&*done.seen.account, done.seen.window, done.seen.unit);
    let before = known.get(account, window, unit);
    let default = before.and_then(|live| live.last_default());
    let live = table.get(account, window, unit);
    let limit = match live {
        Some(live) => live.terms.limit(default, now),
        None => default,
    };
    if let Some(limit) = limit {
        ledger.show_limit(&account.into(), window, unit, limit, now);
    }
}

#[cfg(test)]
mod tests;
