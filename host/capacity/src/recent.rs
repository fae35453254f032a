//! Recent use: the amounts of one resource within one window, in slots that leave it one by one.

use crate::window::SLOTS;

/// The use of a resource in the slots up to the newest. Its gauge knows the number of the newest slot.
#[derive(Debug)]
pub(crate) struct Recent {
    /// In a ring, and apart from the sum, which every decision looks at.
    slots: Box<[u64]>,
    sum: u128,
}

// === impl Recent ===

impl Recent {
    pub(crate) fn new() -> Self {
        Self {
            slots: Box::new([0; SLOTS]),
            sum: 0,
        }
    }

    /// Returns the use in all slots.
    pub(crate) const fn sum(&self) -> u128 {
        self.sum
    }

    /// Forgets what is in the slots that the newest one drives out when it moves on.
    pub(crate) fn turn(&mut self, newest: u64, to: u64) {
        if self.sum == 0 {
            return;
        }
        let steps = to.saturating_sub(newest);
        if steps >= SLOTS as u64 {
            self.slots.fill(0);
            self.sum = 0;
            return;
        }
        for step in 1..=steps {
            if let Some(slot) = self.slots.get_mut(place(newest.saturating_add(step))) {
                self.sum = self.sum.saturating_sub(u128::from(*slot));
                *slot = 0;
            }
        }
    }

    /// Adds an amount to a slot that is still there.
    pub(crate) fn add(&mut self, slot: u64, amount: u64) {
        if let Some(slot) = self.slots.get_mut(place(slot)) {
            let added = slot.saturating_add(amount);
            self.sum = self.sum.saturating_add(u128::from(added - *slot));
            *slot = added;
        }
    }

    /// Takes an amount out of a slot that is still there.
    pub(crate) fn remove(&mut self, slot: u64, amount: u64) {
        if let Some(slot) = self.slots.get_mut(place(slot)) {
            let removed = amount.min(*slot);
            self.sum = self.sum.saturating_sub(u128::from(removed));
            *slot -= removed;
        }
    }

    /// Returns the use that is left when the newest slot has moved on by so many.
    pub(crate) fn left_after(&self, newest: u64, turns: u64) -> u128 {
        if self.sum == 0 {
            return 0;
        }
        let gone: u128 = (1..=turns.min(SLOTS as u64))
            .filter_map(|turn| self.slots.get(place(newest.saturating_add(turn))))
            .map(|slot| u128::from(*slot))
            .sum();
        self.sum.saturating_sub(gone)
    }

    /// Returns the amounts by age, the newest slot first.
    pub(crate) fn by_age(&self, newest: u64) -> impl Iterator<Item = u64> + '_ {
        let ages = 0..SLOTS as u64;
        ages.map(move |age| {
            let slot = newest.checked_sub(age).map(place);
            slot.and_then(|slot| self.slots.get(slot))
                .copied()
                .unwrap_or(0)
        })
    }
}

/// Returns whether a slot is still within the window whose newest slot this is.
pub(crate) const fn is_there(slot: u64, newest: u64) -> bool {
    slot <= newest && newest - slot < SLOTS as u64
}

fn place(slot: u64) -> usize {
    // Less than 61.
    usize::try_from(slot % SLOTS as u64).unwrap_or(0)
}
