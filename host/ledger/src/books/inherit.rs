//! Export of balances to a successor, and inheritance from a predecessor.
//!
//! Holds stay with the predecessor; here they are only counted, balance by balance, so that their reservations are not
//! given out twice. Each of its steps is repeated as it arrives. If the predecessor dies, its holds are settled at their last
//! extensions and the rest is released, as if each had been dropped.

use std::collections::HashMap;
use std::sync::Arc;

use super::balance::{Balance, Period, Slot};
use super::share::Posting;
use super::{Books, Few};
use crate::UnixMillis;
use crate::charge::{Charge, OnShortfall};
use crate::journal::{BalanceKey, Carried, Change, Export, Journal, Step};

/// Shares that a predecessor's holds have in the balances of this ledger.
#[derive(Debug, Default)]
pub(super) struct Inheritance {
    parts: HashMap<BalanceKey, Part>,
    open_holds: u64,
}

/// The share of those holds in one balance, which is never evicted while one of the holds is open.
#[derive(Debug)]
struct Part {
    slot: Slot,
    held: u128,
    floor: u128,
    holds: u64,
}

// === impl Balance ===

impl Balance {
    fn key(&self) -> BalanceKey {
        BalanceKey {
            account: Arc::clone(&self.account),
            window: self.window,
            unit: self.unit,
            resets_at: self.resets_at,
        }
    }
}

// === impl Books ===

impl Books {
    /// Copies all balances, and reports every change from here on to `journal`.
    pub(crate) fn export(&mut self, journal: Box<dyn Journal>, now: UnixMillis) -> Export {
        let balances = self
            .slots
            .iter()
            .flatten()
            .filter(|balance| !balance.is_idle(now))
            .map(|balance| Carried {
                balance: balance.key(),
                owner: self.rooms.owner(balance.room),
                limit: balance.limit,
                used: balance.used,
                held: balance.held,
                floor: balance.floor,
                holds: balance.holds,
            })
            .collect();
        self.journal = Some(journal);
        Export {
            balances,
            open_holds: self.open_holds,
        }
    }

    /// Stops reporting changes.
    pub(crate) fn close_journal(&mut self) {
        self.journal = None;
    }

    pub(super) fn report(&mut self, step: Step, postings: &[Posting]) {
        let change = |posting: &Posting| {
            let balance = self.balance(posting.slot)?;
            Some(Change {
                balance: balance.key(),
                owner: self.rooms.owner(balance.room),
                limit: balance.limit,
                held: posting.held,
                floor: posting.floor,
                used: posting.used,
            })
        };
        let changes: Vec<_> = postings.iter().filter_map(change).collect();
        if let Some(journal) = &mut self.journal
            && !changes.is_empty()
        {
            journal.note(step, changes);
        }
    }

    /// Adds balances of a predecessor. Returns the number rejected for lack of room.
    pub(crate) fn inherit(
        &mut self,
        carried: &[Carried],
        hash: &impl Fn(&BalanceKey) -> u64,
        now: UnixMillis,
    ) -> usize {
        let mut rejected = 0;
        for carried in carried {
            let key = &carried.balance;
            let found = self.find_or_open(key, &carried.owner, hash(key), carried.limit, now);
            let Some(slot) = found else {
                rejected += 1;
                continue;
            };
            if let Some(balance) = self.balance_mut(slot) {
                balance.used = balance.used.saturating_add(carried.used);
                balance.held = balance.held.saturating_add(carried.held);
                balance.floor = balance.floor.saturating_add(carried.floor);
                balance.holds += carried.holds;
            }
            if carried.holds > 0 {
                let part = self.inheritance.part(key, slot);
                part.held = part.held.saturating_add(carried.held);
                part.floor = part.floor.saturating_add(carried.floor);
                part.holds += carried.holds;
            }
            self.enqueue_idle(slot);
        }
        rejected
    }

    /// Counts this many open holds of a predecessor.
    pub(crate) fn inherit_holds(&mut self, open: u64) {
        self.inheritance.open_holds += open;
        self.open_holds += open;
    }

    /// Repeats a step of a predecessor's hold. Returns the number of balances rejected for lack of room.
    pub(crate) fn apply(
        &mut self,
        step: Step,
        changes: &[Change],
        hash: &impl Fn(&BalanceKey) -> u64,
        now: UnixMillis,
    ) -> usize {
        let mut rejected = 0;
        let mut postings = Few::new();
        let mut slots = Few::new();
        for change in changes {
            let key = &change.balance;
            let known = self.inheritance.parts.get(key).map(|part| part.slot);
            let slot = match (known, step) {
                (Some(slot), _) => Some(slot),
                // The reservation was lost with the process that heard of it.
                (None, Step::Extended) => continue,
                (None, Step::Opened | Step::Ended) => {
                    self.find_or_open(key, &change.owner, hash(key), change.limit, now)
                }
            };
            let Some(slot) = slot else {
                rejected += 1;
                continue;
            };
            let inherited = self.inheritance.change(step, change, slot);
            if let Some(balance) = self.balance_mut(slot) {
                balance.touched = now;
                balance.holds = match step {
                    Step::Opened => balance.holds + 1,
                    Step::Extended => balance.holds,
                    Step::Ended => balance.holds.saturating_sub(u64::from(inherited.was_open)),
                };
            }
            postings.push(Posting {
                slot,
                ..inherited.posting
            });
            slots.push(slot);
        }
        self.post(step, &postings);
        for slot in slots {
            self.enqueue_idle(slot);
        }
        self.count(step);
        rejected
    }

    /// Settles the holds of a dead predecessor at their last extensions. Returns the number that were open.
    pub(crate) fn abandon_inherited(&mut self) -> u64 {
        for (_, part) in std::mem::take(&mut self.inheritance.parts) {
            let floor = u64::try_from(part.floor).unwrap_or(u64::MAX);
            let posting = Posting {
                slot: part.slot,
                held: (part.held, 0),
                floor: (floor, 0),
                used: part.floor,
            };
            self.post(Step::Ended, &[posting]);
            if let Some(balance) = self.balance_mut(part.slot) {
                balance.holds = balance.holds.saturating_sub(part.holds);
            }
            self.enqueue_idle(part.slot);
        }
        let open = std::mem::take(&mut self.inheritance.open_holds);
        self.open_holds = self.open_holds.saturating_sub(open);
        self.abandoned += open;
        open
    }

    fn count(&mut self, step: Step) {
        match step {
            Step::Opened => self.inherit_holds(1),
            Step::Extended => {}
            Step::Ended => {
                let known = u64::from(self.inheritance.open_holds > 0);
                self.inheritance.open_holds -= known;
                self.open_holds = self.open_holds.saturating_sub(known);
            }
        }
    }

    /// Returns the slot for a predecessor's balance, taken out of its idle queue, or `None` if there is no room. The owner's share
    /// does not matter here, because the money is spent already.
    fn find_or_open(
        &mut self,
        key: &BalanceKey,
        owner: &str,
        hash: u64,
        limit: u64,
        now: UnixMillis,
    ) -> Option<Slot> {
        let charge = Charge {
            account: Arc::clone(&key.account),
            window: key.window,
            unit: key.unit,
            limit,
            amount: 0,
            shortfall: OnShortfall::Refuse,
        };
        let current = self.current(hash, &charge, now);
        let there = current.and_then(|slot| Some((slot, self.balance(slot)?.resets_at)));
        if let Some((slot, resets_at)) = there
            && resets_at == key.resets_at
        {
            self.dequeue_idle(slot);
            if self.balance(slot).is_some_and(|balance| {
                !balance.is_active(now) || self.rooms.is_unowned(balance.room)
            }) {
                let room = self.rooms.open(owner);
                self.transfer(slot, room);
            }
            if let Some(balance) = self.balance_mut(slot) {
                balance.limit = limit;
            }
            return Some(slot);
        }
        if self.active(now) >= self.bounds.accounts {
            return None;
        }
        let over = key.resets_at.is_some_and(|resets_at| now >= resets_at);
        let slot = if over || there.is_some() {
            self.open_past(hash, &charge, owner, now)
        } else {
            self.open(hash, &charge, owner, now)
        };
        if let Some(balance) = self.balance_mut(slot) {
            balance.resets_at = key.resets_at;
        }
        Some(slot)
    }

    /// Opens a balance of a past period, which the index does not find.
    fn open_past(&mut self, hash: u64, charge: &Charge, owner: &str, now: UnixMillis) -> Slot {
        let room = self.make_room(owner, now);
        let mut balance = Balance::open(hash, charge, room, now);
        balance.period = Period::Past;
        self.put(balance)
    }
}

/// The effect of a predecessor's step on a balance of this ledger.
struct Inherited {
    posting: Posting,
    /// True if the hold was known to be open.
    was_open: bool,
}

// === impl Inheritance ===

impl Inheritance {
    fn part(&mut self, key: &BalanceKey, slot: Slot) -> &mut Part {
        self.parts.entry(key.clone()).or_insert(Part {
            slot,
            held: 0,
            floor: 0,
            holds: 0,
        })
    }

    /// Records a change and returns its effect here. No more is given back than was inherited.
    fn change(&mut self, step: Step, change: &Change, slot: Slot) -> Inherited {
        let ended = step == Step::Ended;
        let known = self.parts.contains_key(&change.balance);
        if ended && !known {
            return Inherited {
                posting: Posting {
                    slot,
                    held: (0, 0),
                    floor: (0, 0),
                    used: change.used,
                },
                was_open: false,
            };
        }
        let part = self.part(&change.balance, slot);
        let last = ended && part.holds <= 1;
        // The last hold leaves nothing behind, even if an earlier step of it never arrived.
        let (held, floor) = (change.held.0.min(part.held), change.floor.0);
        let held = if last { part.held } else { held };
        let all = u64::try_from(part.floor).unwrap_or(u64::MAX);
        let floor = if last { all } else { floor.min(all) };
        let (held, floor) = ((held, change.held.1), (floor, change.floor.1));
        part.held = super::replace_part(part.held, held);
        part.floor = super::replace_part(part.floor, floor);
        match step {
            Step::Opened => part.holds += 1,
            Step::Extended => {}
            Step::Ended => part.holds = part.holds.saturating_sub(1),
        }
        if part.holds == 0 {
            self.parts.remove(&change.balance);
        }
        Inherited {
            posting: Posting {
                slot,
                held,
                floor,
                used: change.used,
            },
            was_open: ended,
        }
    }
}
