//! The end of a hold: its reservation becomes usage.

use std::sync::Arc;

use super::balance::narrow;
use super::share::{End, Over, Posting, Share, StepOf};
use super::{Books, Few};
use crate::Amounts;
use crate::journal::Step;
use crate::statement::{Overdraft, Settled};

// === impl Books ===

impl Books {
    /// Replaces the reservation by the actual usage and drops the shares.
    pub(crate) fn settle(
        &mut self,
        hold: u64,
        shares: Few<Share>,
        amounts: Amounts,
        end: End,
    ) -> Settled {
        let postings: Few<_> = shares
            .iter()
            .map(|share| {
                let used = amounts.of(share.unit).map_or(0, u128::from);
                Posting {
                    slot: share.slot,
                    held: (share.held, 0),
                    floor: (share.floor, 0),
                    used,
                    holds: -1,
                }
            })
            .collect();
        self.post(&StepOf::later(Step::Ended, hold), &postings);

        let (mut overdrafts, mut crossings) = (Vec::new(), Vec::new());
        let marks = self.marks.clone();
        for mut share in shares {
            let used = amounts.of(share.unit).unwrap_or(0);
            if u128::from(used) > share.held {
                self.count_overdraft(&mut share);
            }
            let Some(balance) = self.balance(share.slot) else {
                continue;
            };
            let over = self.total(balance).saturating_sub(u128::from(share.limit));
            if share.overdraft == Over::Counted && over > 0 && used > 0 {
                overdrafts.push(Overdraft {
                    account: Arc::clone(&balance.account),
                    window: balance.window,
                    unit: balance.unit,
                    amount: narrow(over).min(used),
                });
            }
            if used > 0
                && let Some(seen) = self.seen(share.slot, share.limit)
                && let Some(balance) = self.balance_mut(share.slot)
            {
                marks.cross((balance, seen), (share.limit, used), &mut crossings);
            }
            self.enqueue_idle(share.slot);
        }
        self.open_holds = self.open_holds.saturating_sub(1);
        self.abandoned += u64::from(end == End::Dropped);
        Settled {
            amounts,
            overdrafts,
            crossings,
        }
    }

    pub(super) fn count_overdraft(&mut self, share: &mut Share) {
        let over = self
            .balance(share.slot)
            .is_some_and(|balance| self.total(balance) > u128::from(share.limit));
        if over && share.overdraft == Over::No {
            share.overdraft = Over::Counted;
            self.overdrafts += 1;
        }
    }
}
