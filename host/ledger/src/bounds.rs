//! Bounds on the size of a ledger.

/// Limits on the number of balances: one for each account, window and unit, and one for each past period with an open hold.
/// A balance takes about 300 bytes with a 40-byte name.
///
/// Only active balances count towards an owner's share: those with an open hold, and those with spending in a period that
/// has not ended. All others are evicted when room is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Maximum balances of all owners together.
    pub accounts: usize,
    /// Maximum balances of one owner. Regardless of it, an owner never gets more than remain for all others together, and the
    /// last sixteenth of all balances is reserved for owners that have only a few. So neither one owner nor many can take all
    /// the room.
    pub per_owner: usize,
}

/// The reserved fraction: one balance in so many is kept for owners that have only a few.
const RESERVED_FRACTION: usize = 16;

/// The fraction of all balances that counts as a few: one in so many.
const FEW_FRACTION: usize = 1 << 14;

// === impl Bounds ===

impl Bounds {
    /// Returns the number of further balances allowed for an owner that has `own`, with room for `free` in total.
    pub(crate) fn more(self, own: usize, free: usize) -> usize {
        let shared = free.saturating_sub(self.accounts / RESERVED_FRACTION);
        let few = (self.accounts / FEW_FRACTION).max(1).min(self.per_owner);
        let usual = shared.min(self.per_owner).saturating_sub(own);
        usual.max(few.saturating_sub(own).min(free))
    }

    /// Limits `accounts` to the number of slots that can be addressed.
    pub(crate) fn clamped(self) -> Self {
        Self {
            accounts: self.accounts.min(u32::MAX as usize),
            ..self
        }
    }
}

impl Default for Bounds {
    /// Returns bounds of about 80 MB when full, and a quarter of that for one owner.
    fn default() -> Self {
        Self {
            accounts: 1 << 18,
            per_owner: 1 << 16,
        }
    }
}
