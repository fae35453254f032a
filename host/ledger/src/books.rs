//! The balances behind the ledger's lock.
//!
//! A balance is one account in one period of a window, in one unit. It sits in a slot; an index finds the slot of the
//! period that is current, and holds remember theirs, so that a hold settles where it was reserved however many
//! periods later. A period that is over is forgotten as soon as no hold points at it.
//!
//! What bounds it: a number of slots, and of those that count a number for each owner. A balance counts while a hold is
//! open on it, and where something was spent on it in a period that is not over. What does not count makes room for what
//! does; each reservation forgets a few more of those than it may need. No call looks at all of them.

mod balance;
mod inherit;
mod rest;
mod rooms;
mod share;
mod slots;

use crate::bounds::Bounds;
use crate::charge::{Charge, OnShortfall, Reason};
use crate::journal::{Journal, Step};
use crate::statement::{Overdraft, Settlement, Statement, Totals};
use crate::{Amounts, UnixMillis};
use balance::{Balance, Slot, narrow, spent};
use hashbrown::HashTable;
use inherit::Inheritance;
use rest::Resting;
use rooms::Rooms;
use share::{Over, Place, Posting};
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;

pub(crate) use share::{Ceiling, Claim, Denial, End, Share};

/// Useless balances that a reservation forgets beside one for each balance that it needs.
const SWEEP: usize = 2;

/// The parts of a request that four charges and fewer need no allocation for.
pub(crate) type Few<T> = SmallVec<[T; 4]>;

/// All balances.
pub(crate) struct Books {
    slots: Vec<Option<Balance>>,
    free: Vec<Slot>,
    index: HashTable<Slot>,
    resting: Resting,
    rooms: Rooms,
    bounds: Bounds,
    open_holds: u64,
    overdrafts: u64,
    refused: u64,
    turned_away: u64,
    abandoned: u64,
    /// What is told of every change; none but during a hand-over.
    journal: Option<Box<dyn Journal>>,
    inheritance: Inheritance,
}

// === impl Books ===

impl fmt::Debug for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Books")
            .field("totals", &self.totals())
            .field("inheritance", &self.inheritance)
            .finish_non_exhaustive()
    }
}

impl Books {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            resting: Resting::default(),
            rooms: Rooms::default(),
            bounds: bounds.clamped(),
            open_holds: 0,
            overdrafts: 0,
            refused: 0,
            turned_away: 0,
            abandoned: 0,
            journal: None,
            inheritance: Inheritance::default(),
        }
    }

    /// Changes how much there is room for. What is there stays, however little room is left.
    pub(crate) fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds.clamped();
    }

    /// Reserves all claims or none.
    pub(crate) fn reserve(
        &mut self,
        charges: &[Charge],
        claims: &[Claim],
        owner: &str,
        now: UnixMillis,
    ) -> Result<Few<Share>, Denial> {
        // Before any slot is looked up: a sweep may free it.
        self.sweep(SWEEP + claims.len(), now);
        let mut places = self.find(charges, claims, now);
        self.check(charges, &places)?;
        self.check_room(&places, owner, now)?;
        self.move_in(&mut places, owner, now);

        let mut shares = Few::new();
        let mut postings = Few::new();
        for Place {
            claim,
            charge,
            slot,
            total,
            ..
        } in places
        {
            let Some(slot) = slot else {
                continue;
            };
            if let Some(balance) = self.balance_mut(slot) {
                balance.limit = claim.limit;
                balance.touched = now;
                balance.holds += 1;
            }
            let over = total + claim.amount > u128::from(claim.limit);
            self.overdrafts += u64::from(over);
            shares.push(Share {
                slot,
                unit: charge.unit,
                held: claim.amount,
                floor: 0,
                limit: claim.limit,
                ceiling: claim.ceiling,
                overdraft: if over { Over::Counted } else { Over::No },
            });
            postings.push(Posting {
                slot,
                held: (0, claim.amount),
                floor: (0, 0),
                used: 0,
            });
        }
        self.post(Step::Opened, &postings);
        self.open_holds += 1;
        Ok(shares)
    }

    /// Raises what is held to at least these amounts: all shares or none.
    pub(crate) fn extend(&mut self, shares: &mut [Share], amounts: Amounts) -> Result<(), Denial> {
        let mut postings = Few::new();
        for share in &*shares {
            let asked = amounts.of(share.unit).unwrap_or(0);
            let held = share.held.max(u128::from(asked));
            let floor = share.floor.max(asked);
            if (held, floor) == (share.held, share.floor) {
                continue;
            }
            let Some(balance) = self.balance(share.slot) else {
                continue;
            };
            let others = balance.total().saturating_sub(share.held);
            if held > share.held
                && let Some(ceiling) = share.ceiling
                && others + held > u128::from(ceiling.limit)
            {
                let reason = spent(ceiling.limit, balance.total(), balance.resets_at);
                return Err(self.deny(ceiling.index, reason));
            }
            postings.push(Posting {
                slot: share.slot,
                held: (share.held, held),
                floor: (share.floor, floor),
                used: 0,
            });
        }
        self.post(Step::Extended, &postings);

        for share in shares {
            let asked = amounts.of(share.unit).unwrap_or(0);
            share.floor = share.floor.max(asked);
            if u128::from(asked) > share.held {
                share.held = u128::from(asked);
                self.count_overdraft(share);
            }
        }
        Ok(())
    }

    /// Replaces what is held by what was used, and forgets the shares.
    pub(crate) fn settle(&mut self, shares: Few<Share>, amounts: Amounts, end: End) -> Settlement {
        let postings: Few<_> = shares
            .iter()
            .map(|share| {
                let used = amounts.of(share.unit).map_or(0, u128::from);
                Posting {
                    slot: share.slot,
                    held: (share.held, 0),
                    floor: (share.floor, 0),
                    used,
                }
            })
            .collect();
        self.post(Step::Ended, &postings);

        let mut overdrafts = Vec::new();
        for mut share in shares {
            let used = amounts.of(share.unit).unwrap_or(0);
            if u128::from(used) > share.held {
                self.count_overdraft(&mut share);
            }
            let Some(balance) = self.balance_mut(share.slot) else {
                continue;
            };
            let over = balance.total().saturating_sub(u128::from(share.limit));
            if share.overdraft == Over::Counted && over > 0 && used > 0 {
                overdrafts.push(Overdraft {
                    account: Arc::clone(&balance.account),
                    window: balance.window,
                    unit: balance.unit,
                    amount: narrow(over).min(used),
                });
            }
            balance.holds = balance.holds.saturating_sub(1);
            self.settle_down(share.slot);
        }
        self.open_holds = self.open_holds.saturating_sub(1);
        self.abandoned += u64::from(end == End::Abandoned);
        Settlement {
            amounts,
            overdrafts,
        }
    }

    /// Counts the second of two holds that were one.
    pub(crate) fn split(&mut self) {
        self.open_holds += 1;
    }

    /// Counts a request that gets nothing.
    pub(crate) fn deny(&mut self, index: usize, reason: Reason) -> Denial {
        self.refused += 1;
        Denial { index, reason }
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals {
            balances: self.live(),
            bounds: self.bounds,
            open_holds: self.open_holds,
            overdrafts: self.overdrafts,
            refused: self.refused,
            turned_away: self.turned_away,
            abandoned: self.abandoned,
        }
    }

    /// Looks at up to `count` slots from `start` on and adds their statements to `out`, until that has `most`. Says
    /// where to go on; none at the end.
    pub(crate) fn state(
        &self,
        start: usize,
        count: usize,
        most: usize,
        now: UnixMillis,
        out: &mut Vec<Statement>,
    ) -> Option<usize> {
        let end = start.saturating_add(count).min(self.slots.len());
        let part = self.slots.get(start..end).unwrap_or_default();
        for (slot, place) in part.iter().zip(start..) {
            if out.len() >= most {
                return Some(place);
            }
            let shown = slot.iter().filter(|balance| !balance.is_idle(now));
            out.extend(shown.map(|balance| balance.statement(self.rooms.owner(balance.room))));
        }
        (end < self.slots.len()).then_some(end)
    }

    /// The one place that changes what is used and held: all that one reservation, extension or settlement changes comes
    /// in one call. What is written here is what the journal is told.
    fn post(&mut self, step: Step, postings: &[Posting]) {
        for posting in postings {
            if let Some(balance) = self.balance_mut(posting.slot) {
                balance.held = swap(balance.held, posting.held);
                balance.floor = swap(balance.floor, posting.floor);
                balance.used = balance.used.saturating_add(posting.used);
            }
        }
        if self.journal.is_some() {
            self.tell(step, postings);
        }
    }

    /// The balances that are claimed.
    fn find<'a>(
        &mut self,
        charges: &'a [Charge],
        claims: &'a [Claim],
        now: UnixMillis,
    ) -> Few<Place<'a>> {
        let mut places = Few::new();
        for claim in claims {
            let Some(charge) = charges.get(claim.index) else {
                continue;
            };
            let slot = self.current(claim.hash, charge, now);
            let (total, resets_at, fresh) = match slot.and_then(|slot| self.balance(slot)) {
                Some(balance) => (
                    balance.total(),
                    balance.resets_at,
                    !balance.counts(now) || self.rooms.is_nobodys(balance.room),
                ),
                None => (0, charge.resets_at(now), true),
            };
            places.push(Place {
                claim,
                charge,
                slot,
                fresh,
                total,
                resets_at,
            });
        }
        places
    }

    /// Whether every claim fits.
    fn check(&mut self, charges: &[Charge], places: &[Place<'_>]) -> Result<(), Denial> {
        if places.iter().all(|place| {
            place
                .claim
                .ceiling
                .is_none_or(|ceiling| place.fits(ceiling.limit))
        }) {
            return Ok(());
        }

        // Which of the charges is the first takes a second look, since a claim may stand for several.
        for (index, charge) in charges.iter().enumerate() {
            let Some(place) = places
                .iter()
                .find(|place| place.charge.shares_balance_with(charge))
            else {
                continue;
            };
            if charge.shortfall == OnShortfall::Refuse && !place.fits(charge.limit) {
                return Err(self.deny(index, spent(charge.limit, place.total, place.resets_at)));
            }
        }
        Ok(())
    }

    fn count_overdraft(&mut self, share: &mut Share) {
        let over = self
            .balance(share.slot)
            .is_some_and(|balance| balance.total() > u128::from(share.limit));
        if over && share.overdraft == Over::No {
            share.overdraft = Over::Counted;
            self.overdrafts += 1;
        }
    }
}

/// A sum with one of its parts replaced.
fn swap(sum: u128, (from, to): (impl Into<u128>, impl Into<u128>)) -> u128 {
    sum.saturating_sub(from.into()).saturating_add(to.into())
}
