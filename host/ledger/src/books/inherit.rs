//! Export of balances to a successor, and inheritance from a predecessor.
//!
//! Holds stay with the predecessor; here they are only counted, balance by balance, so that their reservations are not
//! given out twice. Each of its steps is repeated as it arrives. If the predecessor dies, its holds are settled at their last
//! extensions and the rest is released, as if each had been dropped.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::balance::{Balance, Period, Slot};
use super::bucket::At;
use super::seats::Turn;
use super::share::{Posting, StepOf};
use super::{Books, Few};
use crate::charge::{Charge, OnShortfall};
use crate::journal::{BalanceKey, Carried, Change, Position, Step};
use crate::resets::{Reset, Resets};
use crate::statement::Abandoned;
use crate::{Unit, UnixMillis};

/// Shares that a predecessor's holds have in the balances of this ledger.
#[derive(Debug, Default)]
pub(super) struct Inheritance {
    parts: HashMap<BalanceKey, Part>,
    open_holds: u64,
    /// The last steps that were repeated or are contained in what was inherited, by epoch.
    applied: BTreeMap<u64, u64>,
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
    pub(super) fn key(&self) -> BalanceKey {
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
            if key.unit == Unit::Sessions {
                let turn = Turn {
                    holds: count(carried.holds),
                    used: carried.used,
                    ends: key.resets_at,
                };
                self.seats.turn(&key.account, key.window, turn);
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

    /// Notes the last steps that are contained in what was inherited.
    pub(crate) fn inherit_positions(&mut self, positions: impl IntoIterator<Item = Position>) {
        for position in positions {
            self.inheritance.note(position);
        }
    }

    /// Remembers the resets that are contained in what was inherited.
    pub(crate) fn inherit_resets(&mut self, resets: &Resets) {
        let resets = resets.iter().cloned();
        resets.for_each(|reset| self.resets.remember(reset));
    }

    /// Returns true if this step of a predecessor is counted here already.
    pub(crate) fn has_applied(&self, origin: Position) -> bool {
        origin.epoch > 0 && origin.sequence <= self.last_applied(origin.epoch)
    }

    /// Returns the last step of an epoch that is counted here, or 0.
    pub(crate) fn last_applied(&self, epoch: u64) -> u64 {
        self.inheritance.applied.get(&epoch).copied().unwrap_or(0)
    }

    /// Repeats a step of a predecessor's hold. Returns the number of balances rejected for lack of room.
    pub(crate) fn apply(
        &mut self,
        (step, name): (Step, &str),
        changes: &[Change],
        origin: Option<Position>,
        hash: &impl Fn(&BalanceKey) -> u64,
        now: UnixMillis,
    ) -> usize {
        // The names of holds stay with their process.
        let name = if step == Step::Reset { name } else { "" };
        let (name, changes) = match self.resets.taken(name) {
            Some(_) => ("", &[][..]),
            None => (name, changes),
        };
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
                (None, Step::Opened | Step::Ended | Step::Reset) => {
                    self.find_or_open(key, &change.owner, hash(key), change.limit, now)
                }
            };
            let Some(slot) = slot else {
                rejected += 1;
                continue;
            };
            let inherited = match step {
                Step::Opened | Step::Extended | Step::Ended => {
                    self.inheritance.change(step, change, slot)
                }
                Step::Reset => Posting::reset(slot, change.used),
            };
            if let Some(balance) = self.balance_mut(slot) {
                balance.touched = now;
            }
            postings.push(inherited);
            slots.push(slot);
        }
        let holds = self.count(step);
        let of = StepOf {
            at: now,
            name,
            origin,
            holds,
            ..StepOf::later(step, 0)
        };
        self.post(&of, &postings);
        for slot in slots {
            self.enqueue_idle(slot);
        }
        self.resets.remember(Reset {
            name: name.into(),
            taken: changes.iter().map(Change::taken).collect(),
        });
        if let Some(origin) = origin {
            self.inheritance.note(origin);
        }
        rejected
    }

    /// Settles the holds of a dead predecessor at their last extensions. Returns those that were open.
    pub(crate) fn abandon_inherited(&mut self) -> Abandoned {
        let open = std::mem::take(&mut self.inheritance.open_holds);
        self.open_holds = self.open_holds.saturating_sub(open);
        self.abandoned += open;
        // Counted with the first posting, as one step ends all of these holds.
        let mut ended = count(open);
        let mut used = Vec::new();
        for (key, part) in std::mem::take(&mut self.inheritance.parts) {
            let floor = u64::try_from(part.floor).unwrap_or(u64::MAX);
            if floor > 0
                && let Some(balance) = self.balance(part.slot)
            {
                used.push((key, Arc::clone(self.rooms.owner(balance.room)), floor));
            }
            let posting = Posting {
                slot: part.slot,
                held: (part.held, 0),
                floor: (floor, 0),
                used: part.floor,
                holds: -count(part.holds),
            };
            let of = StepOf {
                holds: -std::mem::take(&mut ended),
                ..StepOf::later(Step::Ended, 0)
            };
            self.post(&of, &[posting]);
            self.enqueue_idle(part.slot);
        }
        Abandoned { holds: open, used }
    }

    /// Counts a step of a predecessor's hold. Returns the change of the number of open holds.
    fn count(&mut self, step: Step) -> i64 {
        match step {
            Step::Opened => {
                self.inherit_holds(1);
                1
            }
            Step::Extended | Step::Reset => 0,
            Step::Ended => {
                let known = u64::from(self.inheritance.open_holds > 0);
                self.inheritance.open_holds -= known;
                self.open_holds = self.open_holds.saturating_sub(known);
                -count(known)
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
        let at = At::of(hash, key);
        let current = self.current(&at, &charge, now);
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
        let end = key.resets_at;
        Some(if over || there.is_some() {
            self.open_past(at.hash, &charge, end, owner, now)
        } else {
            self.open(at.hash, &charge, end, owner, now)
        })
    }

    /// Opens a balance of a past period, which the index does not find.
    fn open_past(
        &mut self,
        hash: u64,
        charge: &Charge,
        resets_at: Option<UnixMillis>,
        owner: &str,
        now: UnixMillis,
    ) -> Slot {
        let room = self.make_room(owner, now);
        let mut balance = Balance::open(hash, charge, resets_at, room, now);
        balance.period = Period::Past;
        self.put(balance)
    }
}

/// Returns a number of holds as a change of one.
fn count(holds: u64) -> i64 {
    i64::try_from(holds).unwrap_or(i64::MAX)
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

    /// Returns the last steps that are contained, one for each epoch.
    pub(super) fn applied(&self) -> Vec<Position> {
        let applied = self.applied.iter();
        applied
            .map(|(&epoch, &sequence)| Position { epoch, sequence })
            .collect()
    }

    /// Notes that a step is contained. Ledgers without a lasting journal have no epoch.
    fn note(&mut self, position: Position) {
        if position.epoch > 0 {
            let last = self.applied.entry(position.epoch).or_default();
            *last = position.sequence.max(*last);
        }
    }

    /// Records a change and returns its effect here. No more is given back than was inherited.
    fn change(&mut self, step: Step, change: &Change, slot: Slot) -> Posting {
        let ended = step == Step::Ended;
        if ended && !self.parts.contains_key(&change.balance) {
            return Posting {
                slot,
                held: (0, 0),
                floor: (0, 0),
                used: change.used,
                holds: 0,
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
        let holds = match step {
            Step::Opened => 1,
            Step::Extended | Step::Reset => 0,
            Step::Ended => -1,
        };
        part.holds = part.holds.saturating_add_signed(holds);
        if part.holds == 0 {
            self.parts.remove(&change.balance);
        }
        Posting {
            slot,
            held,
            floor,
            used: change.used,
            holds,
        }
    }
}
