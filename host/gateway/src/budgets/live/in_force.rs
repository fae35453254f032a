//! The limit in force on an account as pages show it: where it comes from, and how much it is.
//!
//! The tier of an account is that of the key of its last request, which is remembered while there are limits of tiers, for a number of
//! accounts.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::RwLock;
use witgate_ledger::{Unit, UnixMillis, Window};

use super::defaults::Defaults;
use super::limit::{Live, Origin};
use super::table::Table;

/// Most accounts that are remembered. The limit of others is shown as the sidecar's.
const MOST: usize = 1 << 16;

/// The tiers of accounts, or `None` for those of keys without a tier.
#[derive(Debug, Default)]
pub(crate) struct Tiers(RwLock<HashMap<Box<str>, Option<Arc<str>>, RandomState>>);

/// The limit in force on an account.
pub(crate) struct InForce<'a> {
    pub(crate) origin: Origin,
    /// The live limit that holds, or `None` for the sidecar's.
    pub(crate) by: Option<&'a Live>,
    /// The limit below that of the account itself, if it is known.
    pub(crate) default: Option<u64>,
    pub(crate) limit: Option<u64>,
}

// === impl Tiers ===

impl Tiers {
    /// Remembers the tier of an account.
    pub(crate) fn note(&self, account: &str, tier: Option<&Arc<str>>) {
        {
            let known = self.0.read();
            match known.get(account) {
                Some(known) if known.as_ref() == tier => return,
                None if known.len() >= MOST => return,
                _ => {}
            }
        }
        self.0.write().insert(account.into(), tier.cloned());
    }

    /// Returns the tier of an account, or `None` if it is not known.
    fn get(&self, account: &str) -> Option<Option<Arc<str>>> {
        self.0.read().get(account).cloned()
    }
}

// === impl InForce ===

impl<'a> InForce<'a> {
    /// Returns the limit in force on an account. `last` is the limit of its last request.
    pub(crate) fn of(
        (table, tiers): (&'a Table, &Tiers),
        (account, window, unit): (&str, Window, Unit),
        last: Option<u64>,
        now: UnixMillis,
    ) -> Self {
        let own = table.get(account, window, unit).map(AsRef::as_ref);
        let known = table.has_defaults().then(|| tiers.get(account)).flatten();
        let defaults = known.and_then(|tier| {
            let account = || account.to_owned();
            Defaults::of_account(table, account, tier.as_deref())
        });
        let defaults = defaults.as_ref();
        let by_default = defaults.and_then(|defaults| defaults.in_force(window, unit, now));
        let default = match (by_default, defaults) {
            (Some(_), Some(defaults)) => defaults.limit((account, window, unit), None, now),
            _ => own.and_then(Live::last_default),
        };
        let by = own
            .filter(|live| live.terms.origin(now) != Origin::Sidecar)
            .or(by_default);
        let below = default.or(last);
        Self {
            origin: by.map_or(Origin::Sidecar, |live| live.terms.origin(now)),
            by,
            default,
            limit: own.map_or(below, |live| live.terms.limit(below, now)),
        }
    }
}
