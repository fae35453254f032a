//! The balances behind the ledger's lock.
//!
//! A balance is one account in one period of a window, in one unit. It occupies a slot. An index finds the slot of the
//! current period, and holds refer to their slots directly, so that a hold settles where it was reserved however many
//! periods later. A past period is forgotten as soon as no hold refers to it.
//!
//! The number of slots is bounded, and so is the number of active balances of each owner. A balance is active while a hold is
//! open on it, or if it has spending in a period that has not ended. Inactive balances make room for active ones: each
//! reservation evicts a few more of them than it needs. No call visits all balances.

mod balance;
mod bucket;
mod idle;
mod inherit;
mod journals;
mod marks;
mod reset;
mod rooms;
mod seats;
mod settling;
mod share;
mod sliding;
mod slots;

use std::fmt;

use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::bounds::Bounds;
use crate::charge::{Charge, OnShortfall, Reason};
use crate::journal::Step;
use crate::resets::Resets;
use crate::statement::{Statement, Totals};
use crate::{Amounts, Unit, UnixMillis};
use balance::{Balance, Slot, narrow};
use idle::IdleQueues;
use inherit::Inheritance;
use journals::Journals;
use marks::Marks;
use rooms::Rooms;
use seats::{Seats, Turn};
use share::{Over, Place, Posting, StepOf};

pub(crate) use share::{Ceiling, Claim, Denial, End, Share};

/// Inactive balances that a reservation evicts in addition to one for each balance that it needs.
const EXTRA_EVICTIONS: usize = 2;

/// A list that needs no allocation for a request of up to four charges.
pub(crate) type Few<T> = SmallVec<[T; 4]>;

/// All balances.
pub(crate) struct Books {
    slots: Vec<Option<Balance>>,
    free: Vec<Slot>,
    index: HashTable<Slot>,
    idle: IdleQueues,
    rooms: Rooms,
    bounds: Bounds,
    marks: Marks,
    open_holds: u64,
    overdrafts: u64,
    refused: u64,
    turned_away: u64,
    abandoned: u64,
    /// The latest time of a reservation. Sliding windows end there.
    latest: UnixMillis,
    seats: Seats,
    journals: Journals,
    inheritance: Inheritance,
    resets: Resets,
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
            idle: IdleQueues::default(),
            rooms: Rooms::default(),
            bounds: bounds.clamped(),
            marks: Marks::default(),
            open_holds: 0,
            overdrafts: 0,
            refused: 0,
            turned_away: 0,
            abandoned: 0,
            latest: UnixMillis::default(),
            seats: Seats::default(),
            journals: Journals::default(),
            inheritance: Inheritance::default(),
            resets: Resets::default(),
        }
    }

    /// Changes the bounds. Existing balances stay, even if they exceed the new ones.
    pub(crate) fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds.clamped();
    }

    /// Sets the marks whose crossing is reported.
    pub(crate) fn set_marks(&mut self, marks: &[u8]) {
        self.marks = Marks::new(marks);
    }

    /// Reserves all claims or none, for a hold of this name. Returns the number of the hold and its shares.
    pub(crate) fn reserve(
        &mut self,
        charges: &[Charge],
        claims: &[Claim],
        (owner, name): (&str, &str),
        now: UnixMillis,
    ) -> Result<(u64, Few<Share>), Denial> {
        self.latest = self.latest.max(now);
        // Before any slot is looked up, because an eviction may free it.
        self.evict(EXTRA_EVICTIONS + claims.len(), now);
        let mut places = self.find(charges, claims, now);
        self.check(charges, &places)?;
        self.check_room(&places, owner, now)?;
        self.assign_slots(&mut places, owner, now);

        let mut shares = Few::new();
        let mut postings = Few::new();
        for Place {
            claim,
            charge,
            slot,
            total,
            used,
            resets_at,
            ..
        } in places
        {
            let Some(slot) = slot else {
                continue;
            };
            if let Some(balance) = self.balance_mut(slot) {
                balance.limit = claim.limit;
                balance.touched = now;
            }
            let over = total + claim.amount > u128::from(claim.limit);
            self.overdrafts += u64::from(over);
            shares.push(Share {
                slot,
                unit: charge.unit,
                held: claim.amount,
                floor: 0,
                limit: claim.limit,
                index: claim.index,
                used: narrow(used),
                resets_at,
                cap: claim.cap,
                overdraft: if over { Over::Counted } else { Over::No },
            });
            postings.push(Posting {
                slot,
                held: (0, claim.amount),
                floor: (0, 0),
                used: 0,
                holds: 1,
            });
        }
        let hold = self.next_hold();
        let of = StepOf {
            step: Step::Opened,
            hold,
            name,
            at: now,
            origin: None,
            holds: 1,
        };
        self.post(&of, &postings);
        self.open_holds += 1;
        Ok((hold, shares))
    }

    /// Raises the reservation to at least these amounts: all shares or none.
    pub(crate) fn extend(
        &mut self,
        hold: u64,
        shares: &mut [Share],
        amounts: Amounts,
    ) -> Result<(), Denial> {
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
            let total = self.total(balance);
            let others = total.saturating_sub(share.held);
            if held > share.held
                && let Some(cap) = share.cap
                && others + held > u128::from(cap.limit)
            {
                // Only requests announce that a period is exhausted.
                let resets_at = balance.resets_at;
                let reason = Marks::default().spent(None, cap.limit, total, resets_at);
                return Err(self.deny(cap.index, reason));
            }
            postings.push(Posting {
                slot: share.slot,
                held: (share.held, held),
                floor: (share.floor, floor),
                used: 0,
                holds: 0,
            });
        }
        self.post(&StepOf::later(Step::Extended, hold), &postings);

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

    /// Counts a refusal and returns it.
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

    /// Appends the statements of up to `count` slots from `start` on to `out`, until that has `most`. Returns the slot to
    /// continue at, or `None` at the end.
    pub(crate) fn list(
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
            out.extend(shown.filter_map(|balance| self.statement(balance, Slot::at(place), now)));
        }
        (end < self.slots.len()).then_some(end)
    }

    /// Changes usage and reservations. This is the only function that does: a reservation, an extension or a settlement makes all
    /// of its changes in one call, and the journals get exactly these.
    fn post(&mut self, of: &StepOf<'_>, postings: &[Posting]) {
        for posting in postings {
            let slot = self.slots.get_mut(posting.slot.place());
            if let Some(balance) = slot.and_then(Option::as_mut) {
                balance.held = replace_part(balance.held, posting.held);
                balance.floor = replace_part(balance.floor, posting.floor);
                balance.used = match of.step {
                    Step::Opened | Step::Extended | Step::Ended => {
                        balance.used.saturating_add(posting.used)
                    }
                    Step::Reset => balance.used.saturating_sub(posting.used),
                };
                balance.holds = balance.holds.saturating_add_signed(posting.holds);
                if balance.unit == Unit::Sessions {
                    let turn = Turn {
                        holds: posting.holds,
                        used: posting.used,
                        ends: balance.resets_at,
                    };
                    self.seats.turn(&balance.account, balance.window, turn);
                }
            }
        }
        self.report(of, postings);
    }

    /// Finds the balances that are claimed.
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
            let at = self.at(claim.hash, charge);
            let slot = self.current(&at, charge, now);
            let (total, used, resets_at, fresh) = match slot.and_then(|slot| self.balance(slot)) {
                Some(balance) => (
                    balance.total(),
                    balance.used,
                    balance.resets_at,
                    !balance.is_active(now) || self.rooms.is_unowned(balance.room),
                ),
                None => (0, 0, at.bucket.or_else(|| charge.resets_at(now)), true),
            };
            let (total, used) = match (charge.unit, charge.span()) {
                (Unit::Sessions, _) => (self.seats.others(charge, self.latest), used),
                (_, None) => (total, used),
                (_, Some(span)) => {
                    let sum = self.sum(claim.hash, charge.into(), span);
                    (sum.total, sum.used)
                }
            };
            places.push(Place {
                claim,
                charge,
                hash: at.hash,
                slot,
                fresh,
                total,
                used,
                resets_at,
            });
        }
        places
    }

    /// Checks that every claim fits.
    fn check(&mut self, charges: &[Charge], places: &[Place<'_>]) -> Result<(), Denial> {
        if places.iter().all(|place| {
            place
                .claim
                .ceiling
                .is_none_or(|ceiling| place.fits(ceiling.limit))
        }) {
            return Ok(());
        }

        // A claim may stand for several charges, so a second pass finds the first one that does not fit.
        for (index, charge) in charges.iter().enumerate() {
            let Some(place) = places
                .iter()
                .find(|place| place.charge.shares_balance_with(charge))
            else {
                continue;
            };
            if charge.shortfall != OnShortfall::Overdraw && !place.fits(charge.limit) {
                let resets_at = self.fits_at(place, charge.limit);
                let reason = self.spent(place.slot, charge.limit, place.total, resets_at);
                return Err(self.deny(index, reason));
            }
        }
        Ok(())
    }
}

/// Returns the sum with one of its parts replaced.
fn replace_part(sum: u128, (from, to): (impl Into<u128>, impl Into<u128>)) -> u128 {
    sum.saturating_sub(from.into()).saturating_add(to.into())
}
