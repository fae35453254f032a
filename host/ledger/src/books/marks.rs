//! Parts of a limit whose crossing is reported.
//!
//! Usage only grows within a period, so a mark is crossed by the one settlement that finds usage below it and leaves it at or above.
//! Only the announcement of a refusal needs a memory: it is kept with the balance, and not in the journal.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Books;
use super::balance::{Balance, Slot, narrow};
use super::share::Share;
use crate::charge::Reason;
use crate::statement::Crossing;
use crate::{Unit, UnixMillis};

/// The mark of a limit that is used up.
const EXHAUSTED: u8 = 100;

/// Marks in percent, ascending.
pub(super) type Marks = SmallVec<[u8; 4]>;

// === impl Books ===

impl Books {
    /// Sets the marks.
    pub(crate) fn set_marks(&mut self, marks: &[u8]) {
        self.marks = marks.iter().copied().collect();
        self.marks.sort_unstable();
        self.marks.dedup();
    }

    /// Returns the reason for a refusal by a limit, with the rest of it. The first refusal of a period announces it.
    pub(super) fn spent(
        &mut self,
        slot: Option<Slot>,
        limit: u64,
        total: u128,
        resets_at: Option<UnixMillis>,
    ) -> Reason {
        let announces = self.marks.contains(&EXHAUSTED);
        let here = slot.and_then(|slot| self.balance(slot));
        let used = here.map_or(0, |balance| self.used(balance));
        let announces = announces && here.is_some_and(|balance| !self.is_announced(balance, limit));
        let balance = slot.and_then(|slot| self.balance_mut(slot));
        let exhausted = balance.filter(|_| announces).map(|balance| {
            balance.announced = Some(limit);
            Box::new(balance.crossing(EXHAUSTED, used, limit))
        });
        Reason::Spent {
            remaining: narrow(u128::from(limit).saturating_sub(total)),
            resets_at,
            exhausted,
        }
    }

    /// Adds the marks that the usage of a share has crossed. The usage is in the balance already.
    pub(super) fn cross(&mut self, share: &Share, used: u64, crossings: &mut Vec<Crossing>) {
        let Some(lowest) = self.marks.first().copied().filter(|_| used > 0) else {
            return;
        };
        let limit = share.limit;
        let Some(balance) = self.balance(share.slot) else {
            return;
        };
        let after = self.used(balance);
        let before = after.saturating_sub(u128::from(used));
        let reached = |usage: u128, mark: u8| {
            usage.saturating_mul(100) >= u128::from(mark).saturating_mul(u128::from(limit))
        };
        if !reached(after, lowest) || matches!(balance.unit, Unit::InFlight | Unit::Sessions) {
            return;
        }
        let announced = self.is_announced(balance, limit);
        let crossed = |mark: &u8| !reached(before, *mark) && reached(after, *mark);
        let marks: Marks = self.marks.iter().copied().filter(crossed).collect();
        let Some(balance) = self.balance_mut(share.slot) else {
            return;
        };
        for mark in marks {
            if mark >= EXHAUSTED && announced {
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
