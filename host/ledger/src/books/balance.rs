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

/// The index of an owner's room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RoomId(u32);

/// What is used and held.
#[derive(Debug)]
pub(super) struct Balance {
    pub(super) hash: u64,
    /// Whose room it takes: the owner who was charged when it last began to count.
    pub(super) room: RoomId,
    pub(super) rest: Rest,
    /// Its neighbours in the queue that it rests in.
    pub(super) before: Option<Slot>,
    pub(super) after: Option<Slot>,
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

/// Which queue a balance rests in. One with an open hold rests in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// A hold is open on it, or what was spent on it counts for ever.
    Nowhere,
    /// Nothing was spent on it.
    Spare,
    /// What was spent on it counts until its period ends.
    Spent,
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

// === impl RoomId ===

impl RoomId {
    /// The room at a place in a list whose length fits 32 bits.
    pub(super) fn at(place: usize) -> Self {
        Self(u32::try_from(place).unwrap_or(u32::MAX))
    }

    pub(super) fn place(self) -> usize {
        self.0 as usize
    }
}

// === impl Balance ===

impl Balance {
    pub(super) fn open(hash: u64, charge: &Charge, room: RoomId, now: UnixMillis) -> Self {
        Self {
            hash,
            room,
            rest: Rest::Nowhere,
            before: None,
            after: None,
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

    /// Whether something would be lost by forgetting it.
    pub(super) fn counts(&self, now: UnixMillis) -> bool {
        self.holds > 0 || (self.used > 0 && !self.is_over(now))
    }

    /// Whether nobody asked for it lately, or its period is over. There is no use in showing it.
    pub(super) fn is_idle(&self, now: UnixMillis) -> bool {
        self.holds == 0 && (self.is_over(now) || (self.used == 0 && self.is_untouched(now)))
    }

    /// Whether nobody asked for it lately.
    pub(super) fn is_untouched(&self, now: UnixMillis) -> bool {
        now.0.saturating_sub(self.touched.0) >= IDLE
    }

    pub(super) fn statement(&self, owner: Arc<str>) -> Statement {
        Statement {
            owner,
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
