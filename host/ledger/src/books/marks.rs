//! Parts of a limit whose crossing is reported.
//!
//! Usage only grows within a period, so a mark is crossed by the one settlement that finds usage below it and leaves it at or above.
//! Only the announcement of a refusal needs a memory: it is kept with the balance, and not in the journal.

use std::sync::Arc;

use smallvec::SmallVec;

use super::balance::{Balance, narrow};
use crate::charge::Reason;
use crate::statement::Crossing;
use crate::{Unit, UnixMillis};

/// The mark of a limit that is used up.
const EXHAUSTED: u8 = 100;

/// Marks in percent, ascending.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks(SmallVec<[u8; 4]>);

/// The window of a balance under a limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) used: u128,
    /// True if it was announced as exhausted. A limit that was raised may be announced again.
    pub(super) announced: bool,
}

// === impl Marks ===

impl Marks {
    pub(super) fn new(marks: &[u8]) -> Self {
        let mut marks: SmallVec<[u8; 4]> = marks.iter().copied().collect();
        marks.sort_unstable();
        marks.dedup();
        Self(marks)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the reason for a refusal by a limit, with the rest of it. The first refusal of a period announces it.
    pub(super) fn spent(
        &self,
        balance: Option<(&mut Balance, Seen)>,
        limit: u64,
        total: u128,
        resets_at: Option<UnixMillis>,
    ) -> Reason {
        let announces = self.0.contains(&EXHAUSTED);
        let exhausted = balance.filter(|(_, seen)| announces && !seen.announced);
        let exhausted = exhausted.map(|(balance, seen)| {
            balance.announced = Some(limit);
            Box::new(balance.crossing(EXHAUSTED, seen.used, limit))
        });
        Reason::Spent {
            remaining: narrow(u128::from(limit).saturating_sub(total)),
            resets_at,
            exhausted,
        }
    }

    /// Adds the marks that usage has crossed. It is in the balance already.
    pub(super) fn cross(
        &self,
        (balance, seen): (&mut Balance, Seen),
        (limit, used): (u64, u64),
        crossings: &mut Vec<Crossing>,
    ) {
        let after = seen.used;
        let before = after.saturating_sub(u128::from(used));
        let reached = |usage: u128, mark: u8| {
            usage.saturating_mul(100) >= u128::from(mark).saturating_mul(u128::from(limit))
        };
        if matches!(balance.unit, Unit::InFlight | Unit::Sessions) {
            return;
        }
        for mark in self.0.iter().copied() {
            if !reached(after, mark) {
                return;
            }
            if reached(before, mark) || (mark >= EXHAUSTED && seen.announced) {
                continue;
            }
            if mark >= EXHAUSTED {
                balance.announced = Some(limit);
            }
            crossings.push(balance.crossing(mark, after, limit));
        }
    }
}

// === impl Balance ===

impl Balance {
    fn crossing(&self, percent: u8, used: u128, limit: u64) -> Crossing {
        Crossing {
            account: Arc::clone(&self.account),
            window: self.window,
            unit: self.unit,
            percent,
            used: narrow(used),
            limit,
            resets_at: self.resets_at,
        }
    }
}
