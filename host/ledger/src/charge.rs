//! Charges that a request asks for, and their refusal.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::statement::Crossing;
use crate::{Bounds, Span, Unit, UnixMillis, Window};

/// Maximum length of an account's name, in bytes. Together with [`Bounds`] it bounds the ledger's memory.
pub const MAX_ACCOUNT_BYTES: usize = 1024;

/// An amount to reserve on an account, and the limit to reserve it against.
///
/// A charge fits if the window's usage, its holds and the amount itself add up to at most the limit. So an amount of 0 fits
/// a window that is exactly used up, even with limit 0, but not one that is overdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The account, such as `tenant:acme`, of at most [`MAX_ACCOUNT_BYTES`]. Charges with the same account, window and unit
    /// share a balance.
    #[serde(with = "crate::shared_text")]
    pub account: Arc<str>,
    /// The period that the limit applies to.
    pub window: Window,
    /// The unit counted.
    pub unit: Unit,
    /// The most that the window may contain, in units. Limits belong to charges: the ledger itself has none.
    pub limit: u64,
    /// The amount to reserve, in units.
    pub amount: u64,
    /// The consequence if it does not fit, now or when the hold is extended.
    #[serde(default)]
    pub shortfall: OnShortfall,
}

/// The consequence of a charge that does not fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnShortfall {
    /// Refuses the request: nothing is reserved on any account. An open hold can't be extended over the limit either.
    #[default]
    Refuse,
    /// Refuses the request, too. An open hold may be extended over the limit, and counts an overdraft.
    Finish,
    /// Exceeds the limit, and counts an overdraft.
    Overdraw,
}

/// Refused charges, given back to the caller. Nothing was reserved or recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("charge {index}, to `{}`: {reason}", self.charge().map_or("", |charge| &*charge.account))]
pub struct Refused {
    /// The charges as they came, in their order.
    pub charges: Vec<Charge>,
    /// The index of the first charge that cannot be held.
    pub index: usize,
    /// The reason.
    pub reason: Reason,
}

/// The reason why a charge cannot be held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The charge does not fit its window. The caller has to wait for the reset, or the operator has to raise the limit.
    #[error("only {remaining} of the limit remain")]
    Spent {
        /// The rest of the window before this request, in units: the limit minus usage and holds.
        remaining: u64,
        /// The time of the window's reset, or `None` if it never resets.
        resets_at: Option<UnixMillis>,
        /// Set if the window is to be announced as exhausted now ([`Ledger::set_marks`](crate::Ledger::set_marks)).
        exhausted: Option<Box<Crossing>>,
    },
    /// There is no room for another balance of this owner. Overdrawing does not help, because spending that cannot be
    /// recorded is not allowed.
    #[error(transparent)]
    NoRoom(NoRoom),
    /// The account's name is longer than [`MAX_ACCOUNT_BYTES`]. The plugin is at fault.
    #[error("the account's name has {bytes} bytes, more than {MAX_ACCOUNT_BYTES}")]
    AccountTooLong {
        /// The length of the name.
        bytes: usize,
    },
}

/// The state of a ledger without room for another balance of an owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no room for one more account: {own} of this owner count, {} are free of {}, and an owner may have {}", self.free, self.bounds.accounts, self.bounds.per_owner)]
pub struct NoRoom {
    /// The bound that was reached.
    pub bound: Bound,
    /// Active balances of the owner.
    pub own: usize,
    /// Balances that there is still room for, in total.
    pub free: usize,
    /// All bounds.
    pub bounds: Bounds,
    /// The time at which some of the owner's balances become inactive, or `None` if none does by itself.
    pub frees_at: Option<UnixMillis>,
}

/// A bound that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// [`Bounds::per_owner`]: the owner has used up its own share.
    Owner,
    /// [`Bounds::accounts`]: the owner would have more balances than remain for all others, or the ledger is full. The operator
    /// can raise it.
    Ledger,
}

// === impl Charge ===

impl Charge {
    /// Returns the time of the next reset of this charge's window, or `None` if it never resets.
    #[must_use]
    pub fn resets_at(&self, now: UnixMillis) -> Option<UnixMillis> {
        match self.unit {
            Unit::InFlight => None,
            Unit::PicoUsd
            | Unit::Tokens
            | Unit::InputTokens
            | Unit::OutputTokens
            | Unit::CachedTokens
            | Unit::Requests
            | Unit::Sessions => self.window.resets_at(now),
        }
    }

    /// Returns the length of a window that slides, or `None` if it does not.
    pub(crate) fn span(&self) -> Option<Span> {
        span_of(self.window, self.unit)
    }

    /// Returns a charge that stands for an account's window and reserves nothing.
    pub(crate) fn of_nothing(account: &Arc<str>, window: Window, unit: Unit) -> Self {
        Self {
            account: Arc::clone(account),
            window,
            unit,
            limit: 0,
            amount: 0,
            shortfall: OnShortfall::Overdraw,
        }
    }

    pub(crate) fn shares_balance_with(&self, other: &Self) -> bool {
        self.window == other.window && self.unit == other.unit && self.account == other.account
    }
}

/// The text between an account and a session that uses it.
const SEAT: &str = " session:";

/// Returns the name of a session's seat in an account, for charges in [`Unit::Sessions`]. Spaces in the session's name are written
/// as `%20`, so that no session of another account can have it.
#[must_use]
pub fn seat(account: &str, session: &str) -> Arc<str> {
    let session = session.replace('%', "%25").replace(' ', "%20");
    format!("{account}{SEAT}{session}").into()
}

/// Returns the account that a seat is in, or the name itself if it is no seat.
pub(crate) fn account_of(seat: &str) -> &str {
    seat.rsplit_once(SEAT).map_or(seat, |(account, _)| account)
}

/// Returns the length of a window that slides, or `None` if it does not. Levels have no periods.
pub(crate) fn span_of(window: Window, unit: Unit) -> Option<Span> {
    match (window, unit) {
        (Window::Last(span), unit) if unit != Unit::InFlight => Some(span),
        _ => None,
    }
}

// === impl Refused ===

impl Refused {
    /// Returns the charge that cannot be held.
    #[must_use]
    pub fn charge(&self) -> Option<&Charge> {
        self.charges.get(self.index)
    }

    /// Returns the rest of the refused charge's window, in units, or 0 if something other than the limit refused it.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        match self.reason {
            Reason::Spent { remaining, .. } => remaining,
            Reason::NoRoom(_) | Reason::AccountTooLong { .. } => 0,
        }
    }

    /// Returns the time at which the refused charge's window resets or room becomes available, or `None` if neither happens by
    /// itself.
    #[must_use]
    pub fn resets_at(&self) -> Option<UnixMillis> {
        match &self.reason {
            Reason::Spent { resets_at, .. } => *resets_at,
            Reason::NoRoom(no_room) => no_room.frees_at,
            Reason::AccountTooLong { .. } => None,
        }
    }
}
