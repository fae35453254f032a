//! Resets: an operator takes the usage off a window, and its limit is free again. What open holds reserve stays.

use std::sync::Arc;

use super::balance::Slot;
use super::share::{Posting, StepOf};
use super::{Books, Few};
use crate::charge::Charge;
use crate::journal::Step;
use crate::resets::{Reset, Taken};
use crate::statement::{Cleared, Statement};
use crate::{Unit, UnixMillis};

// === impl Books ===

impl Books {
    /// Takes the usage off the window of a charge, which holds or releases nothing. Under a name that is known, nothing is taken off again.
    pub(crate) fn reset(
        &mut self,
        name: &str,
        hash: u64,
        charge: &Charge,
        now: UnixMillis,
    ) -> Cleared {
        self.latest = self.latest.max(now);
        if let Some(taken) = self.resets.taken(name) {
            return Cleared {
                taken: taken.to_vec(),
                position: self.position(),
            };
        }
        let slots = match charge.unit {
            // Levels count what is open, and nothing of it is final.
            Unit::InFlight | Unit::Sessions => Few::new(),
            _ => self.counting(hash, charge, now),
        };
        let mut taken = Vec::new();
        let mut postings = Few::new();
        for slot in &slots {
            let Some(balance) = self.balance_mut(*slot) else {
                continue;
            };
            // The limit may be reached anew.
            balance.announced = None;
            if balance.used > 0 {
                taken.push(Taken {
                    balance: balance.key(),
                    used: balance.used,
                });
                postings.push(Posting::reset(*slot, balance.used));
            }
        }
        let of = StepOf {
            at: now,
            name,
            ..StepOf::later(Step::Reset, 0)
        };
        self.post(&of, &postings);
        for slot in slots {
            self.enqueue_idle(slot);
        }
        self.resets.remember(Reset {
            name: name.into(),
            taken: taken.clone(),
        });
        Cleared {
            taken,
            position: self.position(),
        }
    }

    /// Returns the statement of the window that a charge goes to, or `None` if nothing was charged to it.
    pub(crate) fn statement_of(
        &mut self,
        hash: u64,
        charge: &Charge,
        now: UnixMillis,
    ) -> Option<Statement> {
        self.latest = self.latest.max(now);
        if charge.unit == Unit::Sessions {
            let in_use = self
                .seats
                .in_use(&charge.account, charge.window, self.latest);
            return Some(Statement {
                account: Arc::clone(&charge.account),
                owner: Arc::from(""),
                window: charge.window,
                unit: charge.unit,
                used: super::balance::narrow(in_use),
                held: 0,
                limit: charge.limit,
                resets_at: None,
                holds: 0,
            });
        }
        let slots = self.counting(hash, charge, now);
        slots.into_iter().find_map(|slot| {
            let balance = self.balance(slot)?;
            self.statement(balance, slot, now)
        })
    }

    /// Sets the limit in the statements of a charge's window.
    pub(crate) fn show_limit(&mut self, hash: u64, charge: &Charge, limit: u64, now: UnixMillis) {
        for slot in self.counting(hash, charge, now) {
            if let Some(balance) = self.balance_mut(slot) {
                balance.limit = limit;
            }
        }
    }

    /// Returns the balances that count in the window of a charge: that of its current period, or the buckets of a window that slides.
    fn counting(&mut self, hash: u64, charge: &Charge, now: UnixMillis) -> Few<Slot> {
        if let Some(span) = charge.span() {
            let buckets = self.buckets(hash, charge.into(), span, self.latest);
            return buckets.map(|(slot, _)| slot).collect();
        }
        let at = self.at(hash, charge);
        self.current(&at, charge, now).into_iter().collect()
    }
}

// === impl Posting ===

impl Posting {
    /// Returns the posting that takes usage off a balance.
    pub(super) fn reset(slot: Slot, used: u128) -> Self {
        Self {
            slot,
            held: (0, 0),
            floor: (0, 0),
            used,
            holds: 0,
        }
    }
}
