//! The credentials that a request was sent with.

/// Largest number of credentials in a pool.
pub(crate) const MAX_CREDENTIALS: usize = 64;

/// A set of credentials, by their places in the pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tried(u64);

// === impl Tried ===

impl Tried {
    /// Adds a credential.
    pub(crate) fn insert(&mut self, credential: usize) {
        self.0 |= bit(credential);
    }

    /// Returns whether a credential is in the set.
    pub(crate) fn contains(self, credential: usize) -> bool {
        self.0 & bit(credential) != 0
    }
}

fn bit(credential: usize) -> u64 {
    let shift = u32::try_from(credential).unwrap_or(u32::MAX);
    // A credential beyond the last one is in no set.
    1_u64.checked_shl(shift).unwrap_or_default()
}
