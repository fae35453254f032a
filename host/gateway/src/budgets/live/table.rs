//! The table of live limits that requests look into.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use smallvec::SmallVec;
use witgate_ledger::{Unit, Window};

use super::accounts::Kind;
use super::limit::{Key, Live};

/// The live limits at one moment.
#[derive(Debug, Default)]
pub(crate) struct Table {
    by_account: HashMap<Arc<str>, SmallVec<[Arc<Live>; 2]>, RandomState>,
    /// In the order in which they were made.
    all: Vec<Arc<Live>>,
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
    pub(super) fn kinds(&self) -> &[Kind] {
        &self.kinds
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

    /// Returns the limit on an account, and a window and unit by their codes, or `None`.
    pub(crate) fn find(&self, account: &str, window: &str, unit: &str) -> Option<&Arc<Live>> {
        // Most accounts have none, and need no codes to be parsed.
        let first = self.of(account).first()?;
        let window = Window::parse(window).ok()?;
        let unit = Unit::parse(unit).ok()?;
        self.get(&first.key.account, window, unit)
    }
}
