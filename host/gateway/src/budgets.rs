//! Budgets, beside the ledger that counts them: the experience that sizes holds, and the texts about limits.

pub(crate) mod experience;
pub(crate) mod limit_reached;

use self::experience::Experience;

/// The state that all exchanges share about budgets.
#[derive(Debug)]
pub(crate) struct Budgets {
    pub(crate) experience: Experience,
}

// === impl Budgets ===

impl Budgets {
    pub(crate) fn new() -> Self {
        Self {
            experience: Experience::new(),
        }
    }
}
