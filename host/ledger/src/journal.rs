//! Transfer from a ledger to its successor: a snapshot of the balances, then every change.
//!
//! Changes are reported in whole steps and in order, so that repeating each of them once leads to the same balances. The
//! transport has to keep the order and to drop duplicates. It may send what is here as serde writes it: windows and units
//! as their codes, and an owner that is missing as unknown.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Unit, UnixMillis, Window};

/// A receiver of every step that changes balances, in order. Called under the ledger's lock, so it must be quick.
pub trait Journal: Send + 'static {
    /// Records a step and all of its changes.
    fn note(&mut self, step: Step, changes: Vec<Change>);
}

/// A step in the life of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The hold was opened.
    Opened,
    /// The hold was raised.
    Extended,
    /// The hold was settled or released.
    Ended,
}

/// The identity of a balance: an account, in one period of a window, in one unit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BalanceKey {
    /// The account.
    #[serde(with = "crate::shared_text")]
    pub account: Arc<str>,
    /// The window.
    pub window: Window,
    /// The unit counted.
    pub unit: Unit,
    /// The end of the period, or `None` if it never ends.
    pub resets_at: Option<UnixMillis>,
}

/// The change that a step of one hold makes to one balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The balance.
    pub balance: BalanceKey,
    /// The owner whose room it takes; empty if unknown.
    #[serde(default, with = "crate::shared_text")]
    pub owner: Arc<str>,
    /// The smallest limit among the charges of the last request.
    pub limit: u64,
    /// The hold's reservation, before and after.
    pub held: (u128, u128),
    /// The part of it that would be settled if the hold were dropped, before and after.
    pub floor: (u64, u64),
    /// Usage that is final.
    pub used: u128,
}

/// A balance as transferred to the successor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// The balance.
    pub balance: BalanceKey,
    /// The owner whose room it takes; empty if unknown, in which case the next owner charged takes it over.
    #[serde(default, with = "crate::shared_text")]
    pub owner: Arc<str>,
    /// The smallest limit among the charges of the last request.
    pub limit: u64,
    /// Usage so far.
    pub used: u128,
    /// Reservations of open holds.
    pub held: u128,
    /// The part of them that would be settled if all those holds were dropped.
    pub floor: u128,
    /// Number of open holds with a share in it.
    pub holds: u64,
}

/// A ledger at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Export {
    /// Balances with any usage or reservation.
    pub balances: Vec<Carried>,
    /// Number of open holds.
    pub open_holds: u64,
}

// === impl Journal ===

impl<F: FnMut(Step, Vec<Change>) + Send + 'static> Journal for F {
    fn note(&mut self, step: Step, changes: Vec<Change>) {
        self(step, changes);
    }
}
