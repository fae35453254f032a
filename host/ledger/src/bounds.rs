//! How much a ledger keeps.

/// How many balances a ledger keeps: one for each account, window and unit, and for each past period that a hold is open
/// on. A balance takes about 300 bytes with a name of 40.
///
/// Only those that count are held against an owner's share: those with an open hold, and those on which something was spent
/// in a period that is not over. All others make room when it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most balances of all owners.
    pub accounts: usize,
    /// The most balances of one owner. Whatever it is, an owner never gets more than are left for all others together, and the
    /// last sixteenth of all is for owners that have only a few. So neither one owner nor many of them take all the room.
    pub per_owner: usize,
}

/// The part of all balances that is kept for owners with a few.
const KEPT: usize = 16;

/// The part of all balances that are a few.
const FEW: usize = 1 << 14;

// === impl Bounds ===

impl Bounds {
    /// How many more balances an owner may have that has `own`, while there is room for `free` in all.
    pub(crate) fn more(self, own: usize, free: usize) -> usize {
        let shared = free.saturating_sub(self.accounts / KEPT);
        let few = (self.accounts / FEW).max(1).min(self.per_owner);
        let usual = shared.min(self.per_owner).saturating_sub(own);
        usual.max(few.saturating_sub(own).min(free))
    }

    /// As many as slots can be numbered.
    pub(crate) fn clamped(self) -> Self {
        Self {
            accounts: self.accounts.min(u32::MAX as usize),
            ..self
        }
    }
}

impl Default for Bounds {
    /// About 80 MB where all of it is used, and a quarter of that for one owner.
    fn default() -> Self {
        Self {
            accounts: 1 << 18,
            per_owner: 1 << 16,
        }
    }
}
