//! The spending that a loss of power may forget.
//!
//! A step survives a kill once it is written, and a loss of power once it is synced. What the steps in between have spent is
//! added up, and bounded: a request that would take it beyond the bound waits for the next sync ([`super::Log::written`]), which
//! begins at once then. So the disk's speed bounds how much can be spent, and the bound what can be forgotten.

use witgate_ledger::{Entry, Shift, Step, Unit};

/// The most that a loss of power may forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Money in pico-USD.
    pub picousd: u64,
    /// Tokens of one kind, or of all kinds together.
    pub tokens: u64,
    /// Requests.
    pub requests: u64,
}

/// The spending of steps: usage that is final, and what would be settled if their holds were dropped.
///
/// An exchange is charged to several accounts, and counts once. So no account can have spent more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spending {
    picousd: u64,
    tokens: u64,
    requests: u64,
}

// === impl Lease ===

impl Lease {
    /// A lease that never ends.
    pub const UNBOUNDED: Self = Self {
        picousd: u64::MAX,
        tokens: u64::MAX,
        requests: u64::MAX,
    };
}

// === impl Spending ===

impl Spending {
    /// Adds the spending of a step.
    pub(super) fn count(&mut self, entry: &Entry<'_>) {
        if entry.step == Step::Reset {
            // It spends nothing.
            return;
        }
        let mut step = Self::default();
        for shift in entry.changes {
            let most = match shift.unit {
                Unit::PicoUsd => &mut step.picousd,
                Unit::Tokens | Unit::InputTokens | Unit::OutputTokens | Unit::CachedTokens => {
                    &mut step.tokens
                }
                Unit::Requests => &mut step.requests,
                // Levels are not spent.
                Unit::InFlight | Unit::Sessions => continue,
            };
            *most = (*most).max(growth(shift));
        }
        self.add(step);
    }

    /// Adds other spending.
    pub(super) fn add(&mut self, other: Self) {
        self.picousd = self.picousd.saturating_add(other.picousd);
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.requests = self.requests.saturating_add(other.requests);
    }

    /// Takes off spending that was added before.
    pub(super) fn take_off(&mut self, other: Self) {
        self.picousd = self.picousd.saturating_sub(other.picousd);
        self.tokens = self.tokens.saturating_sub(other.tokens);
        self.requests = self.requests.saturating_sub(other.requests);
    }

    /// Returns whether it is more than the lease.
    pub(super) fn exceeds(&self, lease: &Lease) -> bool {
        self.picousd > lease.picousd || self.tokens > lease.tokens || self.requests > lease.requests
    }

    /// Returns whether it is more than half of the lease.
    pub(super) fn exceeds_half(&self, lease: &Lease) -> bool {
        self.exceeds(&Lease {
            picousd: lease.picousd / 2,
            tokens: lease.tokens / 2,
            requests: lease.requests / 2,
        })
    }

    /// Returns the money, in pico-USD.
    pub(super) fn picousd(&self) -> u64 {
        self.picousd
    }
}

/// Returns by how much the spending of a balance grows with a step. A settlement below the last extension takes nothing back:
/// it might be forgotten alone.
fn growth(shift: &Shift<'_>) -> u64 {
    let (before, after) = shift.floor;
    let spent = shift.used.saturating_add(after.into());
    u64::try_from(spent.saturating_sub(before.into())).unwrap_or(u64::MAX)
}
