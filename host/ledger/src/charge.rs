//! What a request asks of the ledger, and how it is turned down.

use crate::{Bounds, Unit, UnixMillis, Window};
use std::sync::Arc;

/// The longest name of an account, in bytes. With [`Bounds`] this bounds the ledger's memory.
pub const MAX_ACCOUNT_BYTES: usize = 1024;

/// An amount to reserve on an account, and the limit that it is held against.
///
/// It fits where all that was used in the window, all that is held there, and the amount itself are together at most
/// the limit. So an amount of 0 fits a window that is spent to the last unit, also one with limit 0, and does not fit
/// one that is overdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The account, for example `tenant:acme`, of at most [`MAX_ACCOUNT_BYTES`]. Charges with the same account, window
    /// and unit share a balance.
    pub account: Arc<str>,
    /// The period that the limit is for.
    pub window: Window,
    /// What is counted.
    pub unit: Unit,
    /// The most that the window may hold, in units. A limit belongs to its charge: the ledger keeps none.
    pub limit: u64,
    /// The amount to reserve, in units.
    pub amount: u64,
    /// What happens where it does not fit, now or when the hold is extended.
    pub shortfall: OnShortfall,
}

/// What happens where a charge does not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnShortfall {
    /// Nothing is reserved, on any account.
    #[default]
    Refuse,
    /// It passes over the limit, and that is counted.
    Overdraw,
}

/// Charges that were turned down, given back. Nothing was reserved and nothing was remembered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("charge {index}, to `{}`: {reason}", self.charge().map_or("", |charge| &*charge.account))]
pub struct Refused {
    /// The charges as they came, in their order.
    pub charges: Vec<Charge>,
    /// Which of the charges is the first that can't be held.
    pub index: usize,
    /// Why it can't.
    pub reason: Reason,
}

/// Why a charge can't be held.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It does not fit its window. The caller's to wait for the reset or the operator's to raise the limit.
    #[error("only {remaining} of the limit remain")]
    Spent {
        /// What the window had left before this request, in units: the limit less what was used and held.
        remaining: u64,
        /// When the window starts anew; none where it never does.
        resets_at: Option<UnixMillis>,
    },
    /// There is no room for one more balance of this owner. Overdrawing does not help: what can't be recorded can't be
    /// allowed.
    #[error(transparent)]
    NoRoom(NoRoom),
    /// The name of the account is longer than [`MAX_ACCOUNT_BYTES`]. The plugin's fault.
    #[error("the account's name has {bytes} bytes, more than {MAX_ACCOUNT_BYTES}")]
    AccountTooLong {
        /// Its length.
        bytes: usize,
    },
}

/// What leaves no room for one more balance of an owner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room for one more account: {own} of this owner count, {} are free of {}, and an owner may have {}", self.free, self.bounds.accounts, self.bounds.per_owner)]
pub struct NoRoom {
    /// The bound that was reached.
    pub bound: Bound,
    /// Balances of the owner that count.
    pub own: usize,
    /// Balances that there is room for in all.
    pub free: usize,
    /// All bounds.
    pub bounds: Bounds,
    /// When some of the owner's balances stop to count; none where none does by itself.
    pub frees_at: Option<UnixMillis>,
}

/// The bound that leaves no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// [`Bounds::per_owner`]: the owner's own doing.
    Owner,
    /// [`Bounds::accounts`]: the owner would have more balances than are left for all others, or the ledger is full. The
    /// operator's to raise.
    Ledger,
}

// === impl Charge ===

impl Charge {
    /// When the window of this charge starts anew; none where it never does.
    #[must_use]
    pub fn resets_at(&self, now: UnixMillis) -> Option<UnixMillis> {
        match self.unit {
            Unit::InFlight => None,
            Unit::PicoUsd | Unit::Tokens | Unit::Requests => self.window.resets_at(now),
        }
    }

    pub(crate) fn shares_balance_with(&self, other: &Self) -> bool {
        self.window == other.window && self.unit == other.unit && self.account == other.account
    }
}

// === impl Refused ===

impl Refused {
    /// The charge that can't be held.
    #[must_use]
    pub fn charge(&self) -> Option<&Charge> {
        self.charges.get(self.index)
    }

    /// What the window of the refused charge still had, in units; 0 where it was not the limit that refused it.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        match self.reason {
            Reason::Spent { remaining, .. } => remaining,
            Reason::NoRoom(_) | Reason::AccountTooLong { .. } => 0,
        }
    }

    /// When the window of the refused charge starts anew, or there is room again; none where that never happens by itself.
    #[must_use]
    pub fn resets_at(&self) -> Option<UnixMillis> {
        match &self.reason {
            Reason::Spent { resets_at, .. } => *resets_at,
            Reason::NoRoom(no_room) => no_room.frees_at,
            Reason::AccountTooLong { .. } => None,
        }
    }
}
