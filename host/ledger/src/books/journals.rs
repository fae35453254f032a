//! The journals that hear of every step, and the numbers of steps and holds.

use std::sync::Arc;

use super::balance::Balance;
use super::share::{Posting, StepOf};
use super::{Books, Few};
use crate::journal::{Carried, Entry, Export, Journal, Position, Shift, Split};
use crate::{Unit, UnixMillis};

/// The journals, and what they number.
#[derive(Default)]
pub(super) struct Journals {
    /// The ledger's own journal.
    own: Option<Box<dyn Journal>>,
    /// The journal of a successor, during a hand-over.
    successor: Option<Box<dyn Journal>>,
    /// The place of the last step.
    position: Position,
    /// The number of the last hold.
    last_hold: u64,
}

// === impl Journals ===

impl Journals {
    fn is_heard(&self) -> bool {
        self.own.is_some() || self.successor.is_some()
    }

    fn each(&mut self) -> impl Iterator<Item = &mut Box<dyn Journal>> {
        self.own.iter_mut().chain(&mut self.successor)
    }
}

// === impl Books ===

impl Books {
    /// Copies all balances, and reports every step from here on to the ledger's own `journal`, in this epoch.
    pub(crate) fn attach(
        &mut self,
        epoch: u64,
        journal: Box<dyn Journal>,
        now: UnixMillis,
    ) -> Export {
        self.journals.position.epoch = epoch;
        self.journals.own = Some(journal);
        self.copy(now)
    }

    /// Stops reporting to the ledger's own journal.
    pub(crate) fn detach(&mut self) {
        self.journals.own = None;
    }

    /// Copies all balances, and reports every step from here on to the `journal` of a successor.
    pub(crate) fn export(&mut self, journal: Box<dyn Journal>, now: UnixMillis) -> Export {
        self.journals.successor = Some(journal);
        self.copy(now)
    }

    /// Stops reporting to the journal of a successor.
    pub(crate) fn close_journal(&mut self) {
        self.journals.successor = None;
    }

    /// Returns the place of the last step.
    pub(crate) fn position(&self) -> Position {
        self.journals.position
    }

    /// Returns the number of the next hold.
    pub(super) fn next_hold(&mut self) -> u64 {
        self.journals.last_hold += 1;
        self.journals.last_hold
    }

    fn copy(&self, now: UnixMillis) -> Export {
        let carried = |balance: &Balance| Carried {
            balance: balance.key(),
            owner: Arc::clone(self.rooms.owner(balance.room)),
            limit: balance.limit,
            used: balance.used,
            held: balance.held,
            floor: balance.floor,
            holds: balance.holds,
        };
        let balances = self.slots.iter().flatten();
        Export {
            balances: balances
                .filter(|balance| !balance.is_idle(now))
                .map(carried)
                .collect(),
            open_holds: self.open_holds,
            position: self.journals.position,
            applied: self.inheritance.applied(),
            resets: self.resets.clone(),
        }
    }

    /// Counts a hold that became two.
    pub(crate) fn split(&mut self, hold: u64, units: &[Unit], name: &str) -> (u64, Position) {
        self.open_holds += 1;
        let new = self.next_hold();
        if self.journals.is_heard() {
            self.journals.position.sequence += 1;
            let split = Split {
                position: self.journals.position,
                hold,
                new,
                name,
                units,
            };
            self.journals
                .each()
                .for_each(|journal| journal.split(&split));
        }
        (new, self.journals.position)
    }

    /// Tells the journals of a step.
    pub(super) fn report(&mut self, of: &StepOf<'_>, postings: &[Posting]) {
        // A reset is known by its name, also if there was nothing to take off.
        let changes_nothing = postings.is_empty() && of.holds == 0 && of.name.is_empty();
        if changes_nothing || !self.journals.is_heard() {
            return;
        }
        self.journals.position.sequence += 1;
        // The fields are borrowed one by one: the changes borrow the balances while the journals are told.
        let (slots, rooms) = (&self.slots, &self.rooms);
        let shift = |posting: &Posting| {
            let balance = slots.get(posting.slot.place())?.as_ref()?;
            Some(Shift {
                account: &balance.account,
                window: balance.window,
                unit: balance.unit,
                resets_at: balance.resets_at,
                owner: rooms.owner(balance.room),
                limit: balance.limit,
                held: posting.held,
                floor: posting.floor,
                used: posting.used,
                holds: posting.holds,
            })
        };
        let changes: Few<Shift<'_>> = postings.iter().filter_map(shift).collect();
        let entry = Entry {
            position: self.journals.position,
            step: of.step,
            hold: of.hold,
            name: of.name,
            at: of.at,
            origin: of.origin,
            holds: of.holds,
            changes: &changes,
        };
        self.journals
            .each()
            .for_each(|journal| journal.note(&entry));
    }
}
