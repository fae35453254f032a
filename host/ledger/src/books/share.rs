//! What a request claims, and the shares in balances that it gets.

use super::balance::Slot;
use crate::charge::{Charge, Reason};
use crate::{Unit, UnixMillis};

/// Everything that a request reserves on one balance: its charges of one account, window and unit.
#[derive(Debug)]
pub(crate) struct Claim {
    /// Hash of account, window and unit.
    pub(crate) hash: u64,
    /// The first of the charges.
    pub(crate) index: usize,
    /// The sum of their amounts.
    pub(crate) amount: u128,
    /// The smallest of their limits.
    pub(crate) limit: u64,
    /// The smallest limit of those that refuse; none where all overdraw.
    pub(crate) ceiling: Option<Ceiling>,
}

/// A limit that refuses, and the charge that set it. Ordered by the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ceiling {
    pub(crate) limit: u64,
    pub(crate) index: usize,
}

/// What a hold has on one balance.
#[derive(Debug)]
pub(crate) struct Share {
    pub(super) slot: Slot,
    pub(super) unit: Unit,
    pub(super) held: u128,
    /// What the last extension said that was used, and what is settled if nobody says more.
    pub(super) floor: u64,
    pub(super) limit: u64,
    pub(super) ceiling: Option<Ceiling>,
    pub(super) overdraft: Over,
}

/// Why a request gets nothing.
#[derive(Debug)]
pub(crate) struct Denial {
    pub(crate) index: usize,
    pub(crate) reason: Reason,
}

/// How a hold ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Told,
    Abandoned,
}

/// Whether a hold has been counted as one that went over a limit. Each is counted once for a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    No,
    Counted,
}

/// One change of a balance: what one hold has on it, before and after, and what it has spent for good.
#[derive(Debug)]
pub(super) struct Posting {
    pub(super) slot: Slot,
    pub(super) held: (u128, u128),
    pub(super) floor: (u64, u64),
    pub(super) used: u128,
}

/// Where a claim goes.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) claim: &'a Claim,
    /// The first of its charges.
    pub(super) charge: &'a Charge,
    /// None where there is no such balance yet.
    pub(super) slot: Option<Slot>,
    /// Whether the request's owner has to make room for it: nothing there counts so far.
    pub(super) fresh: bool,
    /// What is used and held there.
    pub(super) total: u128,
    pub(super) resets_at: Option<UnixMillis>,
}

// === impl Share ===

impl Share {
    /// What is counted.
    pub(crate) fn unit(&self) -> Unit {
        self.unit
    }

    /// The charge that set the limit has another place now.
    pub(crate) fn renumber(&mut self, place: impl FnOnce(usize) -> usize) {
        if let Some(ceiling) = &mut self.ceiling {
            ceiling.index = place(ceiling.index);
        }
    }

    /// Nothing refuses an extension any more.
    pub(crate) fn overdraw(&mut self) {
        self.ceiling = None;
    }
}

// === impl Place ===

impl Place<'_> {
    pub(super) fn fits(&self, limit: u64) -> bool {
        self.total + self.claim.amount <= u128::from(limit)
    }
}
