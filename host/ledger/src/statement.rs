//! Results of the ledger: how a hold ended, and snapshots for metrics and operators.

use crate::{Amounts, Bounds, Unit, UnixMillis, Window};
use std::sync::Arc;

/// How a hold ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// What was counted as used.
    pub amounts: Amounts,
    /// The balances that this hold took over their limit, and that still are. None allocates nothing.
    pub overdrafts: Vec<Overdraft>,
}

/// A balance over its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdraft {
    /// The account.
    pub account: Arc<str>,
    /// The period that the limit is for.
    pub window: Window,
    /// What is counted.
    pub unit: Unit,
    /// How far over the limit, in units, and at most what this hold used.
    pub amount: u64,
}

/// One balance, as it stood when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The account.
    pub account: Arc<str>,
    /// Whose room it takes; empty where that is not known.
    pub owner: Arc<str>,
    /// The period that it is for.
    pub window: Window,
    /// What is counted.
    pub unit: Unit,
    /// What was used, in units.
    pub used: u64,
    /// What open holds have reserved, in units.
    pub held: u64,
    /// The smallest limit of the last request that was charged here, in units.
    pub limit: u64,
    /// When the period ends; none where it never does. In the past for a period that only open holds keep.
    pub resets_at: Option<UnixMillis>,
    /// Open holds with a share in this balance.
    pub holds: u64,
}

/// Counts over all balances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Balances that are live, those that do not count any more included.
    pub balances: usize,
    /// The most balances that the ledger keeps.
    pub bounds: Bounds,
    /// Holds that have not ended.
    pub open_holds: u64,
    /// How often a hold took a balance over its limit. One hold counts once for each balance.
    pub overdrafts: u64,
    /// Reservations and extensions that were turned down.
    pub refused: u64,
    /// Reservations among those that there was no room for.
    pub turned_away: u64,
    /// Holds that were dropped instead of settled or released.
    pub abandoned: u64,
}

/// The totals and the balances. Balances are copied a few hundred at a time, so that no request waits for all of
/// them: each is right by itself, and the whole is no single moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The counts, as of the end.
    pub totals: Totals,
    /// The balances, in no order. Those whose period is over are left out, unless a hold is open on them.
    pub balances: Vec<Statement>,
}

/// Some of the balances, in the order of their places, which does not change while they live.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The balances.
    pub balances: Vec<Statement>,
    /// Where the next page starts; none on the last one.
    pub next: Option<usize>,
}
