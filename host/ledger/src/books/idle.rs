//! Balances without open holds, in the order in which they may be evicted.
//!
//! Balances without spending are in one queue; balances with spending are in a queue for the end of their period. Queues are
//! linked through the balances, so that a balance can leave from the middle when it is charged again. The number of active
//! balances is therefore known at any moment, and an inactive one is found without a search.

use std::collections::BTreeMap;

use super::Books;
use super::balance::{Balance, Period, Queued, RoomId, Slot};
use crate::UnixMillis;

/// A queue of slots, linked through their balances.
#[derive(Debug, Default)]
struct Queue {
    first: Option<Slot>,
    last: Option<Slot>,
    len: usize,
}

/// All idle queues.
#[derive(Debug, Default)]
pub(super) struct IdleQueues {
    spare: Queue,
    spent: BTreeMap<UnixMillis, Queue>,
}

/// The choice of balances to evict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Eviction {
    /// Past periods, and balances without spending that were not charged recently.
    Expired,
    /// Every inactive balance.
    Inactive,
}

// === impl Books ===

impl Books {
    /// Returns the number of active balances.
    pub(super) fn active(&self, now: UnixMillis) -> usize {
        let over = self.idle.spent.range(..=now);
        let over: usize = over.map(|(_, queue)| queue.len).sum();
        self.live().saturating_sub(self.idle.spare.len + over)
    }

    /// Takes a balance out of its queue, because it is about to be used.
    pub(super) fn dequeue_idle(&mut self, slot: Slot) {
        let Some(balance) = self.balance(slot) else {
            return;
        };
        let (queue, end, id) = (balance.queue, balance.resets_at, balance.room);
        let room = self.rooms.get_mut(id);
        match (queue, end) {
            (Queued::Spare, _) => {
                if let Some(room) = room {
                    *room.spare() -= 1;
                }
                self.idle.spare.remove(slot, &mut self.slots);
            }
            (Queued::Spent, Some(end)) => {
                if let Some(room) = room {
                    room.remove_spent(end);
                }
                if let Some(queue) = self.idle.spent.get_mut(&end) {
                    queue.remove(slot, &mut self.slots);
                    if queue.len == 0 {
                        self.idle.spent.remove(&end);
                    }
                }
            }
            (Queued::Nowhere | Queued::Spent, _) => return,
        }
        if let Some(balance) = self.balance_mut(slot) {
            balance.queue = Queued::Nowhere;
        }
    }

    /// Puts a balance without open holds into its queue, or closes it if its period is past.
    pub(super) fn enqueue_idle(&mut self, slot: Slot) {
        let Some(balance) = self.balance(slot).filter(|balance| balance.holds == 0) else {
            return;
        };
        if balance.period == Period::Past {
            return self.close(slot);
        }
        self.dequeue_idle(slot);
        let Some(balance) = self.balance_mut(slot) else {
            return;
        };
        let (id, end) = (balance.room, balance.resets_at);
        balance.queue = match (balance.used, end) {
            (0, _) => Queued::Spare,
            (_, Some(_)) => Queued::Spent,
            (_, None) => Queued::Nowhere,
        };
        let queue = balance.queue;
        let room = self.rooms.get_mut(id);
        match (queue, end) {
            (Queued::Spare, _) => {
                if let Some(room) = room {
                    *room.spare() += 1;
                }
                self.idle.spare.push(slot, &mut self.slots);
            }
            (Queued::Spent, Some(end)) => {
                if let Some(room) = room {
                    room.add_spent(end);
                }
                let queue = self.idle.spent.entry(end).or_default();
                queue.push(slot, &mut self.slots);
            }
            (Queued::Nowhere | Queued::Spent, _) => {}
        }
    }

    /// Transfers a balance that is in no queue to another owner.
    pub(super) fn transfer(&mut self, slot: Slot, to: RoomId) {
        let Some(balance) = self.balance_mut(slot) else {
            return;
        };
        let from = std::mem::replace(&mut balance.room, to);
        if from != to {
            self.rooms.add(to);
            self.rooms.remove(from);
        }
    }

    /// Closes up to `count` expired balances.
    pub(super) fn evict(&mut self, count: usize, now: UnixMillis) {
        for _ in 0..count {
            let Some(slot) = self.next_evictable(Eviction::Expired, now) else {
                return;
            };
            self.close(slot);
        }
    }

    /// Evicts an inactive balance if no slot is left for another one. Returns the room of its owner.
    pub(super) fn make_room(&mut self, owner: &str, now: UnixMillis) -> RoomId {
        if self.live() >= self.bounds.accounts
            && let Some(slot) = self.next_evictable(Eviction::Inactive, now)
        {
            self.close(slot);
        }
        // After the eviction, which may have closed the owner's last balance and with it the room.
        self.rooms.open(owner)
    }

    /// Returns the next balance that may be evicted.
    fn next_evictable(&self, eviction: Eviction, now: UnixMillis) -> Option<Slot> {
        let over = self.idle.spent.first_key_value();
        let over = over.filter(|(end, _)| **end <= now);
        let over = over.and_then(|(_, queue)| queue.first);
        over.or_else(|| {
            let spare = self.idle.spare.first?;
            let goes = eviction == Eviction::Inactive
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
