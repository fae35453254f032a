//! What passes from one ledger to the one that takes over from it: the balances as they stand, then each change.
//!
//! The changes are those of whole steps, in the order in which they were made, so that whoever repeats them all, once,
//! has the same balances. Keeping them in order and apart from repetitions is for whoever carries them.

use crate::{Unit, UnixMillis, Window};
use std::sync::Arc;

/// Is told of every step that changes balances, in order, under the ledger's lock: it has to be quick.
pub trait Journal: Send + 'static {
    /// Takes note of a step and of all that it changed.
    fn note(&mut self, step: Step, changes: Vec<Change>);
}

/// What a hold went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It was opened.
    Opened,
    /// It was raised.
    Extended,
    /// It was settled or released.
    Ended,
}

/// Which balance: an account, in one period of a window, in one unit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BalanceKey {
    /// The account.
    pub account: Arc<str>,
    /// The window.
    pub window: Window,
    /// What is counted.
    pub unit: Unit,
    /// When the period ends; none where it never does.
    pub resets_at: Option<UnixMillis>,
}

/// What a step of one hold changed on one balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The balance.
    pub balance: BalanceKey,
    /// Whose room it takes; empty where that is not known.
    pub owner: Arc<str>,
    /// The smallest limit of the last request that was charged there.
    pub limit: u64,
    /// What the hold has reserved there, before and after.
    pub held: (u128, u128),
    /// What of that is settled if the hold is dropped, before and after.
    pub floor: (u64, u64),
    /// What was used for good.
    pub used: u128,
}

/// A balance as it is carried over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The balance.
    pub balance: BalanceKey,
    /// Whose room it takes; empty where that is not known: then it becomes that of the next owner who is charged.
    pub owner: Arc<str>,
    /// The smallest limit of the last request that was charged there.
    pub limit: u64,
    /// What was used.
    pub used: u128,
    /// What open holds have reserved.
    pub held: u128,
    /// What of that is settled if they are all dropped.
    pub floor: u128,
    /// How many open holds have a share in it.
    pub holds: u64,
}

/// A ledger at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Export {
    /// The balances that anything is used or held of.
    pub balances: Vec<Carried>,
    /// Holds that have not ended.
    pub open_holds: u64,
}

// === impl Journal ===

impl<F: FnMut(Step, Vec<Change>) + Send + 'static> Journal for F {
    fn note(&mut self, step: Step, changes: Vec<Change>) {
        self(step, changes);
    }
}

// === impl Step ===

impl Step {
    /// All steps, in their order.
    pub const ALL: [Self; 3] = [Self::Opened, Self::Extended, Self::Ended];

    /// The step as a word.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Extended => "extended",
            Self::Ended => "ended",
        }
    }
}
