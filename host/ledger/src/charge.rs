//! What a request asks of the ledger, and how it is turned down.

use crate::{Unit, UnixMillis, Window};
use std::sync::Arc;

/// The longest name of an account, in bytes. With the number of balances this bounds the ledger's memory.
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
    /// There is no room for one more balance. Overdrawing does not help: what can't be recorded can't be allowed. The
    /// operator's to look for a plugin that makes up account names, or to raise the ledger's capacity.
    #[error("the ledger is full: {capacity} balances are live")]
    Full {
        /// The most balances that the ledger keeps.
        capacity: usize,
    },
    /// The name of the account is longer than [`MAX_ACCOUNT_BYTES`]. The plugin's fault.
    #[error("the account's name has {bytes} bytes, more than {MAX_ACCOUNT_BYTES}")]
    AccountTooLong {
        /// Its length.
        bytes: usize,
    },
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
            Reason::Full { .. } | Reason::AccountTooLong { .. } => 0,
        }
    }

    /// When the window of the refused charge starts anew; none where it never does, or where that would not help.
    #[must_use]
    pub fn resets_at(&self) -> Option<UnixMillis> {
        match self.reason {
            Reason::Spent { resets_at, .. } => resets_at,
            Reason::Full { .. } | Reason::AccountTooLong { .. } => None,
        }
    }
}
