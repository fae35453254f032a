//! One account in one period of a window, in one unit.

use crate::charge::{Charge, Reason};
use crate::statement::Statement;
use crate::{Unit, UnixMillis, Window};
use std::sync::Arc;

/// Milliseconds after which a balance that nothing was spent on is forgotten.
const IDLE: u64 = 60_000;

/// Where a balance is. No slot is freed while a hold has a share in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u32);

/// What is used and held.
#[derive(Debug)]
pub(super) struct Balance {
    pub(super) hash: u64,
    pub(super) account: Arc<str>,
    pub(super) window: Window,
    pub(super) unit: Unit,
    pub(super) period: Period,
    pub(super) resets_at: Option<UnixMillis>,
    pub(super) touched: UnixMillis,
    /// The limit of the last charge, for those who look.
    pub(super) limit: u64,
    pub(super) used: u128,
    pub(super) held: u128,
    /// What of that would be settled if every open hold were dropped now.
    pub(super) floor: u128,
    pub(super) holds: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Period {
    /// The index knows it.
    Current,
    /// Only holds know it.
    Past,
}

/// What a limit still has, as a refusal says it.
pub(super) fn spent(limit: u64, total: u128, resets_at: Option<UnixMillis>) -> Reason {
    Reason::Spent {
        remaining: narrow(u128::from(limit).saturating_sub(total)),
        resets_at,
    }
}

/// For those who look: a balance may pass 64 bits by overdrafts only.
pub(super) fn narrow(amount: u128) -> u64 {
    u64::try_from(amount).unwrap_or(u64::MAX)
}

// === impl Slot ===

impl Slot {
    /// The slot at a place in a list whose length fits 32 bits.
    pub(super) fn at(place: usize) -> Self {
        Self(u32::try_from(place).unwrap_or(u32::MAX))
    }

    pub(super) fn place(self) -> usize {
        self.0 as usize
    }
}

// === impl Balance ===

impl Balance {
    pub(super) fn open(hash: u64, charge: &Charge, now: UnixMillis) -> Self {
        Self {
            hash,
            account: Arc::clone(&charge.account),
            window: charge.window,
            unit: charge.unit,
            period: Period::Current,
            resets_at: charge.resets_at(now),
            touched: now,
            limit: charge.limit,
            used: 0,
            held: 0,
            floor: 0,
            holds: 0,
        }
    }

    pub(super) fn is_of(&self, charge: &Charge) -> bool {
        self.window == charge.window && self.unit == charge.unit && self.account == charge.account
    }

    /// Used and held together.
    pub(super) fn total(&self) -> u128 {
        self.used.saturating_add(self.held)
    }

    /// Whether its period is over. A clock that was set back does not start a new one.
    pub(super) fn is_over(&self, now: UnixMillis) -> bool {
        self.resets_at.is_some_and(|resets_at| now >= resets_at)
    }

    /// Whether nothing is lost by forgetting it.
    pub(super) fn is_idle(&self, now: UnixMillis) -> bool {
        let untouched = self.used == 0 && now.0.saturating_sub(self.touched.0) >= IDLE;
        self.holds == 0 && (self.is_over(now) || untouched)
    }

    pub(super) fn statement(&self) -> Statement {
        Statement {
            account: Arc::clone(&self.account),
            window: self.window,
            unit: self.unit,
            used: narrow(self.used),
            held: narrow(self.held),
            limit: self.limit,
            resets_at: self.resets_at,
            holds: self.holds,
        }
    }
}
