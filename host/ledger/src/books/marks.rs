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

// === impl Marks ===

impl Marks {
    pub(super) fn new(marks: &[u8]) -> Self {
        let mut marks: SmallVec<[u8; 4]> = marks.iter().copied().collect();
        marks.sort_unstable();
        marks.dedup();
        Self(marks)
    }

    /// Returns the reason for a refusal by a limit, with the rest of it. The first refusal of a period announces it.
    pub(super) fn spent(
        &self,
        balance: Option<&mut Balance>,
        limit: u64,
        total: u128,
        resets_at: Option<UnixMillis>,
    ) -> Reason {
        let announces = self.0.contains(&EXHAUSTED);
        let exhausted = balance.and_then(|balance| {
            let news = announces && balance.announce(limit);
            news.then(|| Box::new(balance.crossing(EXHAUSTED, limit)))
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
        balance: &mut Balance,
        (limit, used): (u64, u64),
        crossings: &mut Vec<Crossing>,
    ) {
        let after = balance.used;
        let before = after.saturating_sub(u128::from(used));
        let reached = |usage: u128, mark: u8| {
            usage.saturating_mul(100) >= u128::from(mark).saturating_mul(u128::from(limit))
        };
        if balance.unit == Unit::InFlight {
            return;
        }
        for mark in self.0.iter().copied() {
            if !reached(after, mark) {
                return;
            }
            if !reached(before, mark) && (mark < EXHAUSTED || balance.announce(limit)) {
                crossings.push(balance.crossing(mark, limit));
            }
        }
    }
}

// === impl Balance ===

impl Balance {
    /// Notes that the balance is announced as exhausted under a limit. Returns whether that is news: a limit that was raised
    /// may be announced again.
    fn announce(&mut self, limit: u64) -> bool {
        let news = self.announced.is_none_or(|announced| announced < limit);
        if news {
            self.announced = Some(limit);
        }
        news
    }

    fn crossing(&self, percent: u8, limit: u64) -> Crossing {
        Crossing {
            account: Arc::clone(&self.account),
            window: self.window,
            unit: self.unit,
            percent,
            used: narrow(self.used),
            limit,
            resets_at: self.resets_at,
        }
    }
}
