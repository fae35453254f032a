//! Balances that no hold is open on, in the order in which they may be forgotten.
//!
//! What nothing was spent on is in one queue; what was spent until the end of a period is in the queue of that end. A queue
//! is linked through the balances, so that one that is asked for again leaves from the middle. That way it is known at
//! any moment how many balances count, and one that does not is found without a search.

use super::Books;
use super::balance::{Balance, Period, Rest, RoomId, Slot};
use crate::UnixMillis;
use std::collections::BTreeMap;

/// Slots in order.
#[derive(Debug, Default)]
struct Queue {
    first: Option<Slot>,
    last: Option<Slot>,
    len: usize,
}

/// All queues.
#[derive(Debug, Default)]
pub(super) struct Resting {
    spare: Queue,
    spent: BTreeMap<UnixMillis, Queue>,
}

/// Which balances go when room is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thrift {
    /// Spare ones stay while they are asked for now and then.
    KeepSpare,
    /// Everything that does not count.
    KeepNothing,
}

// === impl Books ===

impl Books {
    /// How many balances count.
    pub(super) fn counting(&self, now: UnixMillis) -> usize {
        let over = self.resting.spent.range(..=now);
        let over: usize = over.map(|(_, queue)| queue.len).sum();
        self.live().saturating_sub(self.resting.spare.len + over)
    }

    /// Gets a balance out of its queue: it is about to be used.
    pub(super) fn rouse(&mut self, slot: Slot) {
        let Some(balance) = self.balance(slot) else {
            return;
        };
        let (rest, end, id) = (balance.rest, balance.resets_at, balance.room);
        let room = self.rooms.get_mut(id);
        match (rest, end) {
            (Rest::Spare, _) => {
                if let Some(room) = room {
                    *room.spare() -= 1;
                }
                self.resting.spare.remove(slot, &mut self.slots);
            }
            (Rest::Spent, Some(end)) => {
                if let Some(room) = room {
                    room.remove_spent(end);
                }
                if let Some(queue) = self.resting.spent.get_mut(&end) {
                    queue.remove(slot, &mut self.slots);
                    if queue.len == 0 {
                        self.resting.spent.remove(&end);
                    }
                }
            }
            (Rest::Nowhere | Rest::Spent, _) => return,
        }
        if let Some(balance) = self.balance_mut(slot) {
            balance.rest = Rest::Nowhere;
        }
    }

    /// Puts a balance that no hold keeps to rest, or forgets it where its period is behind.
    pub(super) fn settle_down(&mut self, slot: Slot) {
        let Some(balance) = self.balance(slot).filter(|balance| balance.holds == 0) else {
            return;
        };
        if balance.period == Period::Past {
            return self.close(slot);
        }
        self.rouse(slot);
        let Some(balance) = self.balance_mut(slot) else {
            return;
        };
        let (id, end) = (balance.room, balance.resets_at);
        balance.rest = match (balance.used, end) {
            (0, _) => Rest::Spare,
            (_, Some(_)) => Rest::Spent,
            (_, None) => Rest::Nowhere,
        };
        let rest = balance.rest;
        let room = self.rooms.get_mut(id);
        match (rest, end) {
            (Rest::Spare, _) => {
                if let Some(room) = room {
                    *room.spare() += 1;
                }
                self.resting.spare.push(slot, &mut self.slots);
            }
            (Rest::Spent, Some(end)) => {
                if let Some(room) = room {
                    room.add_spent(end);
                }
                let queue = self.resting.spent.entry(end).or_default();
                queue.push(slot, &mut self.slots);
            }
            (Rest::Nowhere | Rest::Spent, _) => {}
        }
    }

    /// Makes a balance, roused, that of another owner.
    pub(super) fn pass_on(&mut self, slot: Slot, to: RoomId) {
        let Some(balance) = self.balance_mut(slot) else {
            return;
        };
        let from = std::mem::replace(&mut balance.room, to);
        if from != to {
            self.rooms.add(to);
            self.rooms.remove(from);
        }
    }

    /// Forgets up to `count` balances that are of no use any more.
    pub(super) fn sweep(&mut self, count: usize, now: UnixMillis) {
        for _ in 0..count {
            let Some(slot) = self.useless(Thrift::KeepSpare, now) else {
                return;
            };
            self.close(slot);
        }
    }

    /// Forgets a balance that does not count where there is no slot left for another one, which is to be this owner's. Gives
    /// the room for it.
    pub(super) fn make_room(&mut self, owner: &str, now: UnixMillis) -> RoomId {
        if self.live() >= self.bounds.accounts
            && let Some(slot) = self.useless(Thrift::KeepNothing, now)
        {
            self.close(slot);
        }
        // Not before: what was forgotten may have been the last one of this owner.
        self.rooms.open(owner)
    }

    /// The next balance that may be forgotten.
    fn useless(&self, thrift: Thrift, now: UnixMillis) -> Option<Slot> {
        let over = self.resting.spent.first_key_value();
        let over = over.filter(|(end, _)| **end <= now);
        let over = over.and_then(|(_, queue)| queue.first);
        over.or_else(|| {
            let spare = self.resting.spare.first?;
            let goes = thrift == Thrift::KeepNothing
                || self
                    .balance(spare)
                    .is_none_or(|balance| balance.is_untouched(now));
            goes.then_some(spare)
        })
    }
}

// === impl Queue ===

impl Queue {
    fn push(&mut self, slot: Slot, slots: &mut [Option<Balance>]) {
        let before = self.last.replace(slot);
        if let Some(balance) = at(slots, Some(slot)) {
            (balance.before, balance.after) = (before, None);
        }
        match at(slots, before) {
            Some(before) => before.after = Some(slot),
            None => self.first = Some(slot),
        }
        self.len += 1;
    }

    fn remove(&mut self, slot: Slot, slots: &mut [Option<Balance>]) {
        let Some(balance) = at(slots, Some(slot)) else {
            return;
        };
        let (before, after) = (balance.before.take(), balance.after.take());
        match at(slots, before) {
            Some(before) => before.after = after,
            None => self.first = after,
        }
        match at(slots, after) {
            Some(after) => after.before = before,
            None => self.last = before,
        }
        self.len -= 1;
    }
}

fn at(slots: &mut [Option<Balance>], slot: Option<Slot>) -> Option<&mut Balance> {
    slots.get_mut(slot?.place())?.as_mut()
}
