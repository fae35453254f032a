//! The limit in force on an account as pages show it: where it comes from, and how much it is.
//!
//! The ledger knows the limit of an account's last request, which may have been a live one that is gone by now. So the tier of that request,
//! and the limits in place of which it had others, are remembered while there are limits of tiers, for a number of accounts.

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

/// Most replaced limits that are remembered of an account.
const MOST_REPLACED: usize = 8;

/// What is remembered of the last requests of accounts.
#[derive(Debug, Default)]
pub(crate) struct Tiers(RwLock<HashMap<Box<str>, Last, RandomState>>);

/// What is remembered of an account.
#[derive(Debug, Default)]
struct Last {
    /// The tier of its last request, or `None` for that of a key without one.
    tier: Option<Arc<str>>,
    /// Of the last requests, because some may have been refused, which the ledger does not count.
    replaced: Vec<Replaced>,
}

/// A limit that had another one in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(crate) window: Window,
    pub(crate) unit: Unit,
    /// The limit without live ones.
    pub(crate) default: u64,
    /// The limit that the request had.
    pub(crate) by: u64,
}

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
    /// Remembers the tier of an account, and the limits that were replaced.
    pub(crate) fn note(&self, account: &str, tier: Option<&Arc<str>>, replaced: &[Replaced]) {
        {
            let known = self.0.read();
            match known.get(account) {
                Some(last) if last.is(tier, replaced) => return,
                None if known.len() >= MOST => return,
                _ => {}
            }
        }
        let mut known = self.0.write();
        let last = known.entry(account.into()).or_default();
        last.tier = tier.cloned();
        for new in replaced {
            last.replace(*new);
        }
    }

    /// Returns the tier of an account, or `None` if it is not known.
    fn get(&self, account: &str) -> Option<Option<Arc<str>>> {
        self.0.read().get(account).map(|last| last.tier.clone())
    }

    /// Returns the limit that the one of the last request took the place of, or `None` if that is not known.
    fn default(
        &self,
        (account, window, unit): (&str, Window, Unit),
        by: Option<u64>,
    ) -> Option<u64> {
        let known = self.0.read();
        let replaced = known.get(account)?.replaced.iter();
        // Another limit is that of a later request.
        let found = replaced.filter(|it| (it.window, it.unit, Some(it.by)) == (window, unit, by));
        found.map(|it| it.default).min()
    }
}

// === impl Last ===

impl Last {
    fn is(&self, tier: Option<&Arc<str>>, replaced: &[Replaced]) -> bool {
        self.tier.as_ref() == tier && replaced.iter().all(|new| self.replaced.contains(new))
    }

    /// Adds a limit that was replaced.
    fn replace(&mut self, new: Replaced) {
        if self.replaced.contains(&new) {
            return;
        }
        let place = |it: &Replaced| (it.window, it.unit, it.by);
        self.replaced.retain(|it| place(it) != place(&new));
        if self.replaced.len() >= MOST_REPLACED {
            self.replaced.remove(0);
        }
        self.replaced.push(new);
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
        let sidecars = tiers.default((account, window, unit), last);
        let default = match (by_default, defaults) {
            (Some(_), Some(defaults)) => defaults.limit((account, window, unit), sidecars, now),
            _ => own.and_then(Live::last_default).or(sidecars),
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
