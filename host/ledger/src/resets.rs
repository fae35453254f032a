//! The resets that a ledger remembers by name.
//!
//! Whoever asks for a reset writes its name down first. If it does not live to hear that the reset was made, it asks again under the same
//! name: the ledger, its journal and its successor know what was made.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::journal::BalanceKey;

/// The number of resets that are remembered: more than can wait for whoever asked to hear of them.
const REMEMBERED: usize = 256;

/// A reset that was made under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// The name.
    #[serde(with = "crate::shared_text")]
    pub name: Arc<str>,
    /// The usage that it took off, by balance.
    pub taken: Vec<Taken>,
}

/// Usage that a reset took off a balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The balance.
    pub balance: BalanceKey,
    /// The usage in units.
    pub used: u128,
}

/// The last resets with names, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Resets(VecDeque<Reset>);

// === impl Resets ===

impl Resets {
    /// Returns what the reset of this name took off, or `None` if there was none.
    #[must_use]
    pub fn taken(&self, name: &str) -> Option<&[Taken]> {
        let found = self.0.iter().find(|reset| *reset.name == *name);
        found.map(|reset| &*reset.taken)
    }

    /// Remembers a reset, unless it has no name or is known.
    pub fn remember(&mut self, reset: Reset) {
        if reset.name.is_empty() || self.taken(&reset.name).is_some() {
            return;
        }
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(reset);
    }

    /// Returns the resets, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Reset> {
        self.0.iter()
    }
}
