//! How much room the balances of each owner take.
//!
//! An owner who has no balance any more is forgotten, so there are never more owners than balances.

use super::Books;
use super::balance::RoomId;
use super::share::{Denial, Place};
use crate::UnixMillis;
use crate::charge::{Bound, NoRoom, Reason};
use foldhash::fast::RandomState;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::sync::Arc;

/// All owners.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    rooms: Vec<Room>,
    free: Vec<RoomId>,
    by_owner: HashMap<Arc<str>, RoomId, RandomState>,
}

/// The balances of one owner, counted.
#[derive(Debug)]
pub(super) struct Room {
    owner: Arc<str>,
    /// All of them.
    balances: usize,
    /// Those that nothing was spent on.
    spare: usize,
    /// Those that rest until their period ends, by that end. There are few ends: one for each window, and one more
    /// around its turn.
    spent: SmallVec<[(UnixMillis, usize); 4]>,
}

// === impl Books ===

impl Books {
    /// Whether the owner has room for all balances that do not count yet.
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
        let own = room.map_or(0, |room| room.counting(now));
        let free = self.bounds.accounts.saturating_sub(self.counting(now));
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

    /// Finds a slot for every balance, and makes those that do not count yet the owner's.
    pub(super) fn move_in(&mut self, places: &mut [Place<'_>], owner: &str, now: UnixMillis) {
        // Those that are there come first, since making room for the others could forget them.
        for place in places.iter() {
            if let Some(slot) = place.slot {
                self.rouse(slot);
                if place.fresh {
                    let room = self.rooms.open(owner);
                    self.pass_on(slot, room);
                }
            }
        }
        for place in places.iter_mut() {
            if place.slot.is_none() {
                place.slot = Some(self.open(place.claim.hash, place.charge, owner, now));
            }
        }
    }
}

// === impl Rooms ===

impl Rooms {
    /// The room of an owner who has balances.
    pub(super) fn find(&self, owner: &str) -> Option<&Room> {
        self.rooms.get(self.by_owner.get(owner)?.place())
    }

    /// Finds the room of an owner, or makes one. It is to get a balance next: an empty one would never go.
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
                // There are no more rooms than balances, whose slots have 32 bits.
                RoomId::at(self.rooms.len() - 1)
            }
        };
        self.by_owner.insert(owner, id);
        id
    }

    /// Counts one more balance.
    pub(super) fn add(&mut self, id: RoomId) {
        if let Some(room) = self.get_mut(id) {
            room.balances += 1;
        }
    }

    /// Counts one balance less. With the last one the room goes.
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

    /// The owner of a room.
    pub(super) fn owner(&self, id: RoomId) -> Arc<str> {
        let room = self.rooms.get(id.place());
        room.map_or_else(|| Arc::from(""), |room| Arc::clone(&room.owner))
    }

    /// Whether it is the room of those whose owner is not known.
    pub(super) fn is_nobodys(&self, id: RoomId) -> bool {
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

    /// How many of its balances count.
    pub(super) fn counting(&self, now: UnixMillis) -> usize {
        let over = self.spent.iter().filter(|(end, _)| *end <= now);
        let over: usize = over.map(|(_, count)| count).sum();
        self.balances.saturating_sub(self.spare + over)
    }

    /// When the next of its balances stops to count by itself; none where none does.
    pub(super) fn next_end(&self, now: UnixMillis) -> Option<UnixMillis> {
        let ends = self.spent.iter().map(|(end, _)| *end);
        ends.filter(|end| *end > now).min()
    }

    pub(super) fn spare(&mut self) -> &mut usize {
        &mut self.spare
    }

    /// Counts one more balance that rests until this end.
    pub(super) fn add_spent(&mut self, end: UnixMillis) {
        match self.spent.iter_mut().find(|(other, _)| *other == end) {
            Some((_, count)) => *count += 1,
            None => self.spent.push((end, 1)),
        }
    }

    /// Counts one of them less.
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
