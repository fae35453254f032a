//! The table of live limits that requests look into.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use smallvec::SmallVec;
use witgate_ledger::{Unit, UnixMillis, Window};

use super::accounts::Kind;
use super::defaults::{self, Defaults};
use super::limit::{Key, Live};

/// The live limits at one moment.
#[derive(Debug, Default)]
pub(crate) struct Table {
    by_account: HashMap<Arc<str>, SmallVec<[Arc<Live>; 2]>, RandomState>,
    /// In the order in which they were made.
    all: Vec<Arc<Live>>,
    /// The defaults for callers, by tier.
    by_tier: HashMap<Arc<str>, SmallVec<[Arc<Live>; 2]>, RandomState>,
    /// The kinds of the accounts that have limits, as far as the gateway can name such accounts.
    kinds: Vec<Kind>,
}

// === impl Table ===

impl Table {
    /// Creates the table of these limits, which are in the order in which they were made.
    pub(super) fn new(limits: Vec<Live>) -> Self {
        let mut table = Self::default();
        for live in limits {
            let live = Arc::new(live);
            let account = Arc::clone(&live.key.account);
            if let Some(tier) = defaults::tier(&account) {
                let of_tier = table.by_tier.entry(tier.into()).or_default();
                of_tier.push(Arc::clone(&live));
                table.all.push(live);
                continue;
            }
            if let Some(kind) = Kind::of(&account)
                && !table.kinds.contains(&kind)
            {
                table.kinds.push(kind);
            }
            let of_account = table.by_account.entry(account).or_default();
            of_account.push(Arc::clone(&live));
            table.all.push(live);
        }
        table
    }

    /// Returns whether there are no limits.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns all limits, in the order in which they were made.
    pub(crate) fn all(&self) -> &[Arc<Live>] {
        &self.all
    }

    /// Returns the kinds of the accounts that have limits, as far as the gateway can name such accounts.
    pub(crate) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Returns whether there are defaults for callers.
    pub(crate) fn has_defaults(&self) -> bool {
        !self.by_tier.is_empty()
    }

    /// Returns the defaults for callers of a tier.
    pub(super) fn of_tier(&self, tier: &str) -> &[Arc<Live>] {
        self.by_tier.get(tier).map_or(&[], SmallVec::as_slice)
    }

    /// Returns the limit in force on an account, or `None` if there is none. `default` is the plugin's, if it asks for one.
    pub(crate) fn limit(
        &self,
        (account, window, unit): (&str, Window, Unit),
        defaults: Option<&Defaults<'_>>,
        default: Option<u64>,
        now: UnixMillis,
    ) -> Option<u64> {
        let below = match defaults {
            Some(defaults) => defaults.limit((account, window, unit), default, now),
            None => default,
        };
        match self.get(account, window, unit) {
            Some(live) => live.limit(below, now),
            None => below,
        }
    }

    /// Returns the limits on an account.
    pub(crate) fn of(&self, account: &str) -> &[Arc<Live>] {
        self.by_account.get(account).map_or(&[], SmallVec::as_slice)
    }

    /// Returns the limit on an account, window and unit, or `None`.
    pub(crate) fn get(&self, account: &str, window: Window, unit: Unit) -> Option<&Arc<Live>> {
        let of_account = self.of(account).iter();
        let is_it = |key: &Key| (key.window, key.unit) == (window, unit);
        of_account.into_iter().find(|live| is_it(&live.key))
    }
}
