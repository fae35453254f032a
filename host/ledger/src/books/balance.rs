//! A balance: one account in one period of a window, in one unit.

use std::sync::Arc;

use crate::charge::Charge;
use crate::statement::Statement;
use crate::{Unit, UnixMillis, Window};

/// Milliseconds after which an untouched balance without spending may be evicted.
const IDLE_MILLIS: u64 = 60_000;

/// The index of a balance. No slot is freed while a hold has a share in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(u32);

/// The index of an owner's room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RoomId(u32);

/// Usage and reservations of one account in one period.
#[derive(Debug)]
pub(super) struct Balance {
    pub(super) hash: u64,
    /// The room it takes up: that of the owner charged when it last became active.
    pub(super) room: RoomId,
    pub(super) queue: Queued,
    /// Neighbours in the idle queue.
    pub(super) before: Option<Slot>,
    pub(super) after: Option<Slot>,
    pub(super) account: Arc<str>,
    pub(super) window: Window,
    pub(super) unit: Unit,
    pub(super) period: Period,
    pub(super) resets_at: Option<UnixMillis>,
    pub(super) touched: UnixMillis,
    /// The limit of the last charge, for statements.
    pub(super) limit: u64,
    pub(super) used: u128,
    pub(super) held: u128,
    /// The part of `held` that would be settled if every open hold were dropped now.
    pub(super) floor: u128,
    pub(super) holds: u64,
    /// The largest limit under which it was announced as exhausted.
    pub(super) announced: Option<u64>,
}

/// The idle queue that a balance is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queued {
    /// No queue: a hold is open on it, or its spending never expires.
    Nowhere,
    /// The queue of balances without spending.
    Spare,
    /// The queue of balances whose spending counts until their period ends.
    Spent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Period {
    /// The current period, which the index finds.
    Current,
    /// A past period, which only holds refer to.
    Past,
}

/// Narrows an amount for statements. Only overdrafts can take a balance beyond 64 bits.
pub(super) fn narrow(amount: u128) -> u64 {
    u64::try_from(amount).unwrap_or(u64::MAX)
}

// === impl Slot ===

impl Slot {
    /// Returns the slot at an index of a list whose length fits 32 bits.
    pub(super) fn at(place: usize) -> Self {
        Self(u32::try_from(place).unwrap_or(u32::MAX))
    }

    pub(super) fn place(self) -> usize {
        self.0 as usize
    }
}

// === impl RoomId ===

impl RoomId {
    /// Returns the room at an index of a list whose length fits 32 bits.
    pub(super) fn at(place: usize) -> Self {
        Self(u32::try_from(place).unwrap_or(u32::MAX))
    }

    pub(super) fn place(self) -> usize {
        self.0 as usize
    }
}

// === impl Balance ===

impl Balance {
    pub(super) fn open(
        hash: u64,
        charge: &Charge,
        resets_at: Option<UnixMillis>,
        room: RoomId,
        now: UnixMillis,
    ) -> Self {
        Self {
            hash,
            room,
            queue: Queued::Nowhere,
            before: None,
            after: None,
            account: Arc::clone(&charge.account),
            window: charge.window,
            unit: charge.unit,
            period: Period::Current,
            resets_at,
            touched: now,
            limit: charge.limit,
            used: 0,
            held: 0,
            floor: 0,
            holds: 0,
            announced: None,
        }
    }

    pub(super) fn is_of(&self, charge: &Charge) -> bool {
        self.window == charge.window && self.unit == charge.unit && self.account == charge.account
    }

    /// Returns usage and reservations together.
    pub(super) fn total(&self) -> u128 {
        self.used.saturating_add(self.held)
    }

    /// Returns true if its period has ended. A clock that was set back does not start a new one.
    pub(super) fn is_over(&self, now: UnixMillis) -> bool {
        self.resets_at.is_some_and(|resets_at| now >= resets_at)
    }

    /// Returns true if evicting it would lose something.
    pub(super) fn is_active(&self, now: UnixMillis) -> bool {
        self.holds > 0 || (self.used > 0 && !self.is_over(now))
    }

    /// Returns true if it was not charged recently or its period has ended, so that there is no use in showing it.
    pub(super) fn is_idle(&self, now: UnixMillis) -> bool {
        self.holds == 0 && (self.is_over(now) || (self.used == 0 && self.is_untouched(now)))
    }

    /// Returns true if it was not charged recently.
    pub(super) fn is_untouched(&self, now: UnixMillis) -> bool {
        now.0.saturating_sub(self.touched.0) >= IDLE_MILLIS
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
