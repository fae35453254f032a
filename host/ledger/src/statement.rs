//! Results of the ledger: how a hold ended, and snapshots for metrics and operators.

use std::sync::Arc;

use crate::resets::Taken;
use crate::{Amounts, BalanceKey, Bounds, Charge, Position, Unit, UnixMillis, Window};

/// The result of a hold that has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Amounts counted as used.
    pub amounts: Amounts,
    /// Balances that this hold took over their limit and that still exceed it. Without any, nothing is allocated.
    pub overdrafts: Vec<Overdraft>,
    /// Marks that usage has reached with this hold, balance by balance. Without any, nothing is allocated.
    pub crossings: Vec<Crossing>,
}

/// The holds of a predecessor that has died, as they were settled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Abandoned {
    /// The number of holds.
    pub holds: u64,
    /// What all of them used in each balance, with the balance's owner.
    pub used: Vec<(BalanceKey, Arc<str>, u64)>,
}

/// A part of a limit that the usage of a window has reached. Each mark is crossed once in a window, unless its limit changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    /// The account.
    pub account: Arc<str>,
    /// The period that the limit applies to.
    pub window: Window,
    /// The unit counted.
    pub unit: Unit,
    /// The mark, in percent of the limit.
    pub percent: u8,
    /// Usage in units.
    pub used: u64,
    /// The limit, in units.
    pub limit: u64,
    /// The end of the period, or `None` if it never ends.
    pub resets_at: Option<UnixMillis>,
}

/// What a limit had left when a hold was opened.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The charge that was reserved, the first one on its balance.
    pub charge: &'a Charge,
    /// The smallest limit of the charges on that balance, in units.
    pub limit: u64,
    /// Usage in units, without the reservations of open holds.
    pub used: u64,
    /// The end of the period, or `None` if it never ends.
    pub resets_at: Option<UnixMillis>,
}

/// The result of a reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleared {
    /// The usage that was taken off, by balance.
    pub taken: Vec<Taken>,
    /// The place of the step or of a later one, for a caller that waits until the journal has written it.
    pub position: Position,
}

/// A balance over its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdraft {
    /// The account.
    pub account: Arc<str>,
    /// The period that the limit applies to.
    pub window: Window,
    /// The unit counted.
    pub unit: Unit,
    /// The excess over the limit in units, at most this hold's own usage.
    pub amount: u64,
}

/// A snapshot of one balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The account.
    pub account: Arc<str>,
    /// The owner whose room it takes; empty if unknown.
    pub owner: Arc<str>,
    /// The period that it belongs to.
    pub window: Window,
    /// The unit counted.
    pub unit: Unit,
    /// Usage in units.
    pub used: u64,
    /// Reservations of open holds, in units.
    pub held: u64,
    /// The smallest limit among the charges of the last request, in units.
    pub limit: u64,
    /// The end of the period, or `None` if it never ends. In the past for a period that only open holds keep alive.
    pub resets_at: Option<UnixMillis>,
    /// Number of open holds with a share in this balance.
    pub holds: u64,
}

/// Totals over all balances.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Number of live balances, inactive ones included.
    pub balances: usize,
    /// Limits on the number of balances.
    pub bounds: Bounds,
    /// Number of open holds.
    pub open_holds: u64,
    /// Number of times that a hold took a balance over its limit, counted once per hold and balance.
    pub overdrafts: u64,
    /// Reservations and extensions that were refused.
    pub refused: u64,
    /// The reservations among those that were refused for lack of room.
    pub turned_away: u64,
    /// Holds that were dropped instead of settled or released.
    pub abandoned: u64,
}

/// Totals and balances. Balances are copied a few hundred at a time, so that no request waits for all of them: each is
/// consistent by itself, but together they do not show a single moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The totals at the end of the copy.
    pub totals: Totals,
    /// The balances in no particular order. Balances of past periods are omitted unless a hold is open on them.
    pub balances: Vec<Statement>,
}

/// A page of balances, in slot order, which does not change while they exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The balances.
    pub balances: Vec<Statement>,
    /// The start of the next page, or `None` on the last one.
    pub next: Option<usize>,
}

// === impl Cleared ===

impl Cleared {
    /// Returns the usage in units that was taken off.
    #[must_use]
    pub fn used(&self) -> u64 {
        let sum = self.taken.iter().map(|taken| taken.used);
        let sum = sum.fold(0, u128::saturating_add);
        u64::try_from(sum).unwrap_or(u64::MAX)
    }
}

// === impl Crossing ===

impl Crossing {
    /// Returns whether another one is of the same account, window and unit.
    #[must_use]
    pub fn is_of_the_limit_of(&self, other: &Self) -> bool {
        (self.window, self.unit) == (other.window, other.unit) && self.account == other.account
    }
}
