//! Storage of balances: slots, and the index that finds them.

use super::Books;
use super::balance::{Balance, Period, Slot};
use super::bucket::At;
use crate::charge::Charge;
use crate::{Unit, UnixMillis};

// === impl Books ===

impl Books {
    /// Returns the slot of the balance whose period contains `now`, or `None` if there is none. A period that has ended is
    /// reset, or becomes a past one if a hold is open on it.
    pub(super) fn current(&mut self, place: &At, charge: &Charge, now: UnixMillis) -> Option<Slot> {
        let slots = &self.slots;
        let found = |slot: &Slot| {
            at(slots, *slot).is_some_and(|balance| {
                balance.is_of(charge)
                    && (place.bucket.is_none() || balance.resets_at == place.bucket)
            })
        };
        let entry = self.index.find_entry(place.hash, found).ok()?;
        let slot = *entry.get();
        if place.bucket.is_some() {
            return Some(slot);
        }
        let balance = self.slots.get_mut(slot.place())?.as_mut()?;
        if !balance.is_over(now) {
            return Some(slot);
        }
        if balance.holds == 0 {
            self.dequeue_idle(slot);
            if let Some(balance) = self.balance_mut(slot) {
                balance.used = 0;
                balance.resets_at = charge.resets_at(now);
            }
            self.enqueue_idle(slot);
            return Some(slot);
        }
        balance.period = Period::Past;
        entry.remove();
        None
    }

    /// Opens a balance for which there is room. It is in no queue yet.
    pub(super) fn open(
        &mut self,
        hash: u64,
        charge: &Charge,
        resets_at: Option<UnixMillis>,
        owner: &str,
        now: UnixMillis,
    ) -> Slot {
        let room = self.make_room(owner, now);
        let slot = self.put(Balance::open(hash, charge, resets_at, room, now));
        let slots = &self.slots;
        self.index.insert_unique(hash, slot, |slot| {
            at(slots, *slot).map_or(0, |balance| balance.hash)
        });
        slot
    }

    /// Puts a balance into a free slot, without adding it to the index.
    pub(super) fn put(&mut self, balance: Balance) -> Slot {
        self.rooms.add(balance.room);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            Slot::at(self.slots.len() - 1)
        });
        if let Some(place) = self.slots.get_mut(slot.place()) {
            *place = Some(balance);
        }
        slot
    }

    /// Removes a balance.
    pub(super) fn close(&mut self, slot: Slot) {
        self.dequeue_idle(slot);
        let Some(balance) = self.slots.get_mut(slot.place()).and_then(Option::take) else {
            return;
        };
        if balance.period == Period::Current
            && let Ok(entry) = self.index.find_entry(balance.hash, |other| *other == slot)
        {
            entry.remove();
        }
        self.rooms.remove(balance.room);
        self.free.push(slot);
        if balance.unit == Unit::Sessions {
            self.seats.forget(&balance, self.latest);
        }
    }

    pub(super) fn live(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn balance(&self, slot: Slot) -> Option<&Balance> {
        at(&self.slots, slot)
    }

    pub(super) fn balance_mut(&mut self, slot: Slot) -> Option<&mut Balance> {
        self.slots.get_mut(slot.place())?.as_mut()
    }
}

pub(super) fn at(slots: &[Option<Balance>], slot: Slot) -> Option<&Balance> {
    slots.get(slot.place())?.as_ref()
}
