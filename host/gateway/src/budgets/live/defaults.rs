//! Live limits for each caller of a tier, and for each caller of the gateway: defaults, below a live limit of the caller's own account and
//! above the sidecar's.
//!
//! Each caller gets the amount of its own, on the account of its user, or of its key if it has none. So a default has no spending. It is
//! kept like any other live limit, under an account of a kind that no request is charged to.

use std::sync::Arc;

use witgate_ledger::{Unit, UnixMillis, Window};
use witgate_runtime::Envelope;

use super::accounts::{Payer, of_user};
use super::limit::{Live, Origin};
use super::table::Table;
use crate::tenants::keys::Caller;

/// The beginning of the accounts under which defaults are kept.
const TIER: &str = "tier:";

/// The name in place of a tier for every caller.
const EVERYONE: &str = "*";

/// The account under which the defaults of every caller are kept.
pub(crate) const OF_EVERYONE: &str = "tier:*";

/// The defaults for the account of one caller.
pub(crate) struct Defaults<'a> {
    account: String,
    of_tier: &'a [Arc<Live>],
    of_everyone: &'a [Arc<Live>],
}

/// Returns the tier that an account is the defaults of, or `None` for an account that requests are charged to.
pub(crate) fn tier(account: &str) -> Option<&str> {
    account.strip_prefix(TIER)
}

// === impl Defaults ===

impl<'a> Defaults<'a> {
    /// Returns the defaults for the caller of a request, or `None` if there are none.
    pub(crate) fn of(table: &'a Table, caller: &Caller, envelope: &Envelope) -> Option<Self> {
        if !table.has_defaults() {
            return None;
        }
        let account = || of_user(&Payer::of_caller(caller, envelope));
        Self::of_account(table, account, caller.tier.as_deref())
    }

    /// Returns the defaults for an account of a user whose last request was of this tier, or `None` if there are none.
    pub(super) fn of_account(
        table: &'a Table,
        account: impl FnOnce() -> String,
        tier: Option<&str>,
    ) -> Option<Self> {
        let of_tier = tier.map_or(&[][..], |tier| table.of_tier(tier));
        let of_everyone = table.of_tier(EVERYONE);
        if of_tier.is_empty() && of_everyone.is_empty() {
            return None;
        }
        Some(Self {
            account: account(),
            of_tier,
            of_everyone,
        })
    }

    /// Returns the account that they are for.
    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    /// Returns the windows and units that they are for, some of them twice.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (Window, Unit)> {
        let all = self.of_tier.iter().chain(self.of_everyone);
        all.map(|live| (live.key.window, live.key.unit))
    }

    /// Returns the limit in place of the one below them, which is the sidecar's: that of the tier, else that of everyone.
    pub(super) fn limit(
        &self,
        (account, window, unit): (&str, Window, Unit),
        below: Option<u64>,
        now: UnixMillis,
    ) -> Option<u64> {
        if account != self.account {
            return below;
        }
        let apply = |below: Option<u64>, defaults| match find(defaults, window, unit) {
            Some(live) => live.terms.limit(below, now),
            None => below,
        };
        apply(apply(below, self.of_everyone), self.of_tier)
    }

    /// Returns the default that takes the place of the sidecar's limit, or `None` if that one holds.
    pub(super) fn in_force(&self, window: Window, unit: Unit, now: UnixMillis) -> Option<&'a Live> {
        let both = [self.of_tier, self.of_everyone].into_iter();
        let mut found = both.filter_map(|defaults| find(defaults, window, unit));
        found.find(|live| live.terms.origin(now) != Origin::Sidecar)
    }
}

fn find(defaults: &[Arc<Live>], window: Window, unit: Unit) -> Option<&Live> {
    let mut defaults = defaults.iter();
    let found = defaults.find(|live| (live.key.window, live.key.unit) == (window, unit));
    found.map(AsRef::as_ref)
}
