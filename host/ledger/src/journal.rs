//! Transfer from a ledger to its successor or to disk: a snapshot of the balances, then every change.
//!
//! Changes are reported in whole steps and in order, so that repeating each of them once leads to the same balances. The
//! transport has to keep the order; a step's [`Position`] tells duplicates. It may send what is here as serde writes it:
//! windows and units as their codes, and an owner that is missing as unknown.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::resets::{Resets, Taken};
use crate::{Unit, UnixMillis, Window};

/// A receiver of every step that changes balances, in order. Called under the ledger's lock, so it must be quick.
pub trait Journal: Send + 'static {
    /// Records a step and all of its changes.
    fn note(&mut self, entry: &Entry<'_>);

    /// Records that a hold became two. Balances do not change.
    fn split(&mut self, _split: &Split<'_>) {}
}

/// The place of a step among all steps of all ledgers that kept the same journal.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Position {
    /// The number of the journal's beginning that the ledger serves, or 0 without a lasting journal.
    pub epoch: u64,
    /// The number of the step in its ledger, from 1.
    pub sequence: u64,
}

/// A step as a journal hears of it.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The place of the step.
    pub position: Position,
    /// The step.
    pub step: Step,
    /// The number of the hold, or 0 for holds of another process, which are counted balance by balance.
    pub hold: u64,
    /// The name of the hold on its first step, or of a reset; empty on later steps, and if it has none.
    pub name: &'a str,
    /// The time of the first step, and 0 on later ones.
    pub at: UnixMillis,
    /// The place of the step in the ledger of the predecessor that made it, if it is repeated here.
    pub origin: Option<Position>,
    /// The change of the number of open holds.
    pub holds: i64,
    /// The changes, one for each balance.
    pub changes: &'a [Shift<'a>],
}

/// The change of one balance, as a journal hears of it.
#[derive(Debug, Clone, Copy)]
pub struct Shift<'a> {
    /// The account.
    pub account: &'a Arc<str>,
    /// The window.
    pub window: Window,
    /// The unit counted.
    pub unit: Unit,
    /// The end of the period, or `None` if it never ends.
    pub resets_at: Option<UnixMillis>,
    /// The owner whose room it takes; empty if unknown.
    pub owner: &'a Arc<str>,
    /// The smallest limit among the charges of the last request.
    pub limit: u64,
    /// The reservation, before and after.
    pub held: (u128, u128),
    /// The part of it that would be settled if the hold were dropped, before and after.
    pub floor: (u64, u64),
    /// Usage that is final; in a [`Step::Reset`], the usage that is taken off.
    pub used: u128,
    /// The change of the number of holds with a share in the balance.
    pub holds: i64,
}

/// The division of a hold, as a journal hears of it.
#[derive(Debug, Clone, Copy)]
pub struct Split<'a> {
    /// The place of the step.
    pub position: Position,
    /// The number of the hold.
    pub hold: u64,
    /// The number of the new hold.
    pub new: u64,
    /// The name of the new hold; empty if it has none.
    pub name: &'a str,
    /// The units whose shares go to the new hold.
    pub units: &'a [Unit],
}

/// A step in the life of a hold, or of a balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The hold was opened.
    Opened,
    /// The hold was raised.
    Extended,
    /// The hold was settled or released.
    Ended,
    /// Usage was taken off a balance by its operator. No hold changes.
    Reset,
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
    /// Usage that is final; in a [`Step::Reset`], the usage that is taken off.
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
    /// The last step that is contained.
    pub position: Position,
    /// The last steps of predecessors that are contained, one for each epoch.
    pub applied: Vec<Position>,
    /// The resets that are contained.
    pub resets: Resets,
}

// === impl Journal ===

impl<F: FnMut(&Entry<'_>) + Send + 'static> Journal for F {
    fn note(&mut self, entry: &Entry<'_>) {
        self(entry);
    }
}

// === impl Entry ===

impl Entry<'_> {
    /// Returns the changes in the form in which they are sent to a successor.
    #[must_use]
    pub fn to_changes(&self) -> Vec<Change> {
        let change = |shift: &Shift<'_>| Change {
            balance: BalanceKey {
                account: Arc::clone(shift.account),
                window: shift.window,
                unit: shift.unit,
                resets_at: shift.resets_at,
            },
            owner: Arc::clone(shift.owner),
            limit: shift.limit,
            held: shift.held,
            floor: shift.floor,
            used: shift.used,
        };
        self.changes.iter().map(change).collect()
    }
}

// === impl Change ===

impl Change {
    /// Returns what the change of a [`Step::Reset`] takes off.
    #[must_use]
    pub fn taken(&self) -> Taken {
        Taken {
            balance: self.balance.clone(),
            used: self.used,
        }
    }
}
