//! Rooms: the number of balances of each owner.
//!
//! An owner without balances is forgotten, so there are never more owners than balances.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::Books;
use super::balance::RoomId;
use super::share::{Denial, Place};
use crate::UnixMillis;
use crate::charge::{Bound, NoRoom, Reason};

/// The rooms of all owners.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    /// The empty name.
    unknown: Arc<str>,
    rooms: Vec<Room>,
    free: Vec<RoomId>,
    by_owner: HashMap<Arc<str>, RoomId, RandomState>,
}

/// The number of balances of one owner.
#[derive(Debug)]
pub(super) struct Room {
    owner: Arc<str>,
    /// All balances.
    balances: usize,
    /// Balances without spending.
    spare: usize,
    /// Idle balances with spending, by the end of their period. There are few such ends: one for each window, and one more
    /// around a reset.
    spent: SmallVec<[(UnixMillis, usize); 4]>,
}

// === impl Books ===

impl Books {
    /// Checks that the owner has room for all balances that are not active yet.
    pub(super) fn check_room(
        &mut self,
        places: &[Place<'_>],
        owner: &str,
        now: UnixMillis,
    ) -> Result<(), Denial> {
        let mut fresh = places.iter().filter(|place| place.fresh);
        let wanted = fresh.clone().count();
        if wanted == 0 {
            return Ok(());
        }
        let room = self.rooms.find(owner);
        let own = room.map_or(0, |room| room.active(now));
        let free = self.bounds.accounts.saturating_sub(self.active(now));
        let Some(place) = fresh.nth(self.bounds.more(own, free)) else {
            return Ok(());
        };
        let no_room = NoRoom {
            bound: if own + wanted > self.bounds.per_owner {
                Bound::Owner
            } else {
                Bound::Ledger
            },
            own,
            free,
            bounds: self.bounds,
            frees_at: room.and_then(|room| room.next_end(now)),
        };
        self.turned_away += 1;
        Err(self.deny(place.claim.index, Reason::NoRoom(no_room)))
    }

    /// Assigns a slot to every balance, and transfers those that are not active yet to the owner.
    pub(super) fn assign_slots(&mut self, places: &mut [Place<'_>], owner: &str, now: UnixMillis) {
        // Existing balances come first, because making room for new ones could evict them.
        for place in places.iter() {
            if let Some(slot) = place.slot {
                self.dequeue_idle(slot);
                if place.fresh {
                    let room = self.rooms.open(owner);
                    self.transfer(slot, room);
                }
            }
        }
        for place in places.iter_mut() {
            if place.slot.is_none() {
                let (hash, resets_at) = (place.hash, place.resets_at);
                place.slot = Some(self.open(hash, place.charge, resets_at, owner, now));
            }
        }
    }
}

// === impl Rooms ===

impl Rooms {
    /// Returns the room of an owner, or `None` if it has no balances.
    pub(super) fn find(&self, owner: &str) -> Option<&Room> {
        self.rooms.get(self.by_owner.get(owner)?.place())
    }

    /// Returns the room of an owner, which is created if necessary. The caller must add a balance, because an empty room would
    /// never be removed.
    pub(super) fn open(&mut self, owner: &str) -> RoomId {
        if let Some(id) = self.by_owner.get(owner) {
            return *id;
        }
        let room = Room::of(owner.into());
        let owner = Arc::clone(&room.owner);
        let id = match self.free.pop() {
            Some(id) => {
                if let Some(place) = self.rooms.get_mut(id.place()) {
                    *place = room;
                }
                id
            }
            None => {
                self.rooms.push(room);
                // There are no more rooms than balances, whose slots are 32-bit.
                RoomId::at(self.rooms.len() - 1)
            }
        };
        self.by_owner.insert(owner, id);
        id
    }

    /// Adds a balance.
    pub(super) fn add(&mut self, id: RoomId) {
        if let Some(room) = self.get_mut(id) {
            room.balances += 1;
        }
    }

    /// Removes a balance, and with the last one the room.
    pub(super) fn remove(&mut self, id: RoomId) {
        let Some(room) = self.rooms.get_mut(id.place()) else {
            return;
        };
        room.balances = room.balances.saturating_sub(1);
        if room.balances == 0 {
            self.by_owner.remove(&room.owner);
            *room = Room::of(Arc::from(""));
            self.free.push(id);
        }
    }

    pub(super) fn get_mut(&mut self, id: RoomId) -> Option<&mut Room> {
        self.rooms.get_mut(id.place())
    }

    /// Returns the owner of a room.
    pub(super) fn owner(&self, id: RoomId) -> &Arc<str> {
        let room = self.rooms.get(id.place());
        room.map_or(&self.unknown, |room| &room.owner)
    }

    /// Returns true if it is the room of balances whose owner is unknown.
    pub(super) fn is_unowned(&self, id: RoomId) -> bool {
        let room = self.rooms.get(id.place());
        room.is_none_or(|room| room.owner.is_empty())
    }
}

// === impl Room ===

impl Room {
    fn of(owner: Arc<str>) -> Self {
        Self {
            owner,
            balances: 0,
            spare: 0,
            spent: SmallVec::new(),
        }
    }

    /// Returns the number of its active balances.
    pub(super) fn active(&self, now: UnixMillis) -> usize {
        let over = self.spent.iter().filter(|(end, _)| *end <= now);
        let over: usize = over.map(|(_, count)| count).sum();
        self.balances.saturating_sub(self.spare + over)
    }

    /// Returns the time at which the next of its balances becomes inactive by itself, or `None` if none does.
    pub(super) fn next_end(&self, now: UnixMillis) -> Option<UnixMillis> {
        let ends = self.spent.iter().map(|(end, _)| *end);
        ends.filter(|end| *end > now).min()
    }

    pub(super) fn spare(&mut self) -> &mut usize {
        &mut self.spare
    }

    /// Adds an idle balance with spending until this end.
    pub(super) fn add_spent(&mut self, end: UnixMillis) {
        match self.spent.iter_mut().find(|(other, _)| *other == end) {
            Some((_, count)) => *count += 1,
            None => self.spent.push((end, 1)),
        }
    }

    /// Removes one of them.
    pub(super) fn remove_spent(&mut self, end: UnixMillis) {
        if let Some(place) = self.spent.iter().position(|(other, _)| *other == end)
            && let Some((_, count)) = self.spent.get_mut(place)
        {
            *count -= 1;
            if *count == 0 {
                self.spent.swap_remove(place);
            }
        }
    }
}
