//! Claims of a request, and its shares in balances.

use super::balance::Slot;
use crate::charge::{Charge, OnShortfall, Reason};
use crate::journal::{Position, Step};
use crate::statement::Standing;
use crate::{Unit, UnixMillis};

/// A request's whole reservation on one balance: its charges with the same account, window and unit.
#[derive(Debug)]
pub(crate) struct Claim {
    /// The hash of account, window and unit.
    pub(crate) hash: u64,
    /// The index of the first charge.
    pub(crate) index: usize,
    /// The sum of their amounts.
    pub(crate) amount: u128,
    /// The smallest of their limits.
    pub(crate) limit: u64,
    /// The smallest limit of charges that refuse a request, or `None` if all of them overdraw.
    pub(crate) ceiling: Option<Ceiling>,
    /// The smallest limit of charges that refuse an extension, or `None` if there are none.
    pub(crate) cap: Option<Ceiling>,
}

/// A limit that refuses, and the charge that set it. Ordered by the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ceiling {
    pub(crate) limit: u64,
    pub(crate) index: usize,
}

/// A hold's share in one balance.
#[derive(Debug)]
pub(crate) struct Share {
    pub(super) slot: Slot,
    pub(super) unit: Unit,
    pub(super) held: u128,
    /// The usage reported by the last extension, which is settled if the hold is dropped.
    pub(super) floor: u64,
    pub(super) limit: u64,
    /// The index of the first charge on the balance.
    pub(super) index: usize,
    /// Usage when the hold was opened.
    pub(super) used: u64,
    pub(super) resets_at: Option<UnixMillis>,
    /// The limit that extensions may not exceed.
    pub(super) cap: Option<Ceiling>,
    pub(super) overdraft: Over,
}

/// A refusal: the charge and the reason.
#[derive(Debug)]
pub(crate) struct Denial {
    pub(crate) index: usize,
    pub(crate) reason: Reason,
}

/// The way in which a hold ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Settled,
    Dropped,
}

/// State of a share's overdraft, which is counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    No,
    Counted,
}

/// A change of a balance: one hold's share before and after, and its final usage, or the usage that a reset takes off.
#[derive(Debug)]
pub(super) struct Posting {
    pub(super) slot: Slot,
    pub(super) held: (u128, u128),
    pub(super) floor: (u64, u64),
    pub(super) used: u128,
    /// The change of the number of holds with a share in it.
    pub(super) holds: i64,
}

/// The step that postings belong to.
#[derive(Debug)]
pub(super) struct StepOf<'a> {
    pub(super) step: Step,
    /// The number of the hold, or 0 for holds of a predecessor.
    pub(super) hold: u64,
    /// The name of the hold on its first step, or of a reset.
    pub(super) name: &'a str,
    pub(super) at: UnixMillis,
    pub(super) origin: Option<Position>,
    /// The change of the number of open holds.
    pub(super) holds: i64,
}

/// The balance that a claim goes to.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) claim: &'a Claim,
    /// The first charge of the claim.
    pub(super) charge: &'a Charge,
    /// The hash that finds the balance in the index.
    pub(super) hash: u64,
    /// The slot, or `None` if there is no such balance yet.
    pub(super) slot: Option<Slot>,
    /// True if the balance is not active yet, so that it takes up room of the request's owner.
    pub(super) fresh: bool,
    /// Usage and reservations.
    pub(super) total: u128,
    pub(super) used: u128,
    pub(super) resets_at: Option<UnixMillis>,
}

// === impl StepOf ===

impl StepOf<'_> {
    /// Returns a later step of a hold.
    pub(super) fn later(step: Step, hold: u64) -> Self {
        Self {
            step,
            hold,
            name: "",
            at: UnixMillis(0),
            origin: None,
            holds: if step == Step::Ended { -1 } else { 0 },
        }
    }
}

// === impl Share ===

impl Share {
    /// Returns the unit counted.
    pub(crate) fn unit(&self) -> Unit {
        self.unit
    }

    /// Returns what the limit had left when the hold of these charges was opened, or `None` for charges of another hold.
    pub(crate) fn standing<'a>(&self, charges: &'a [Charge]) -> Option<Standing<'a>> {
        Some(Standing {
            charge: charges.get(self.index)?,
            limit: self.limit,
            used: self.used,
            resets_at: self.resets_at,
        })
    }

    /// Updates the indices of charges.
    pub(crate) fn renumber(&mut self, place: impl Fn(usize) -> usize) {
        self.index = place(self.index);
        if let Some(cap) = &mut self.cap {
            cap.index = place(cap.index);
        }
    }

    /// Takes over the limits of the charges on its balance.
    pub(crate) fn relimit(&mut self, charges: &[Charge]) {
        let Some(first) = charges.get(self.index) else {
            return;
        };
        let all = charges.iter().enumerate();
        let same = all.filter(|(_, charge)| charge.shares_balance_with(first));
        self.limit = same
            .clone()
            .map(|(_, charge)| charge.limit)
            .min()
            .unwrap_or(self.limit);
        // Extensions that may pass go on to.
        if self.cap.is_some() {
            let refusing = same.filter(|(_, charge)| charge.shortfall == OnShortfall::Refuse);
            let ceilings = refusing.map(|(index, charge)| Ceiling {
                limit: charge.limit,
                index,
            });
            self.cap = ceilings.min();
        }
    }

    /// Lets all further extensions pass.
    pub(crate) fn overdraw(&mut self) {
        self.cap = None;
    }
}

// === impl Place ===

impl Place<'_> {
    pub(super) fn fits(&self, limit: u64) -> bool {
        self.total + self.claim.amount <= u128::from(limit)
    }
}
