//! A ledger as its journal knows it: what a snapshot holds, and what the steps after it lead to.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use witgate_ledger::{
    Amounts, BalanceKey, Carried, Change, Export, Position, Reset, Resets, Step, UnixMillis, Window,
};

use crate::record::{Changed, Divided, Posted, Record};

/// The balances and the open holds at one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Image {
    /// The last step that is contained.
    pub(crate) position: Position,
    pub(crate) balances: HashMap<BalanceKey, Tally>,
    /// The open holds whose first step is known, by their number.
    pub(crate) holds: BTreeMap<u64, OpenHold>,
    /// The number of open holds, those included whose first step is not known.
    pub(crate) open_holds: u64,
    /// The last steps of predecessors that are contained, by epoch.
    pub(crate) applied: BTreeMap<u64, u64>,
    /// The last holds that ended, in order.
    pub(crate) ended: VecDeque<Ended>,
    pub(crate) resets: Resets,
}

/// The usage and reservations of a balance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) owner: Arc<str>,
    pub(crate) limit: u64,
    pub(crate) used: u128,
    pub(crate) held: u128,
    pub(crate) floor: u128,
    pub(crate) holds: u64,
}

/// A hold that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenHold {
    pub(crate) name: Arc<str>,
    pub(crate) opened: UnixMillis,
    pub(crate) shares: Vec<HeldShare>,
}

/// The share of a hold in one balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldShare {
    pub(crate) balance: BalanceKey,
    pub(crate) held: u128,
    pub(crate) floor: u64,
}

/// A hold that the process before did not live to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The number of the hold, for [`crate::Recovered::settle`].
    pub number: u64,
    /// The name of the hold; empty if it has none.
    pub name: Arc<str>,
    /// The owner of its accounts.
    pub owner: Arc<str>,
    /// The time at which it was opened.
    pub opened: UnixMillis,
    /// The amounts of its last extension; zeros if there was none.
    pub extended: Amounts,
    /// The balances that it is charged to.
    pub balances: Vec<BalanceKey>,
}

/// A hold that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The name of the hold.
    pub name: Arc<str>,
    /// The owner of its accounts.
    pub owner: Arc<str>,
    /// The time at which it was opened.
    pub opened: UnixMillis,
    /// The amounts that it ended with.
    pub amounts: Amounts,
    /// The balances that it was charged to; none if an earlier version noted it.
    pub balances: Vec<BalanceKey>,
}

/// The number of ended holds that are remembered: as many as may wait for their receipts to be written.
const ENDED: usize = 4096;

// === impl Image ===

impl Image {
    /// Makes a step.
    pub(crate) fn apply(&mut self, record: Record) {
        self.position.sequence = record.sequence().unwrap_or(self.position.sequence);
        match record {
            Record::Step(posted) => self.post(posted),
            Record::Split(divided) => self.divide(&divided),
            Record::Left => self.holds.clear(),
        }
    }

    fn post(&mut self, posted: Posted) {
        if let Some(origin) = posted.origin {
            let last = self.applied.entry(origin.epoch).or_default();
            *last = origin.sequence.max(*last);
        }
        self.open_holds = self.open_holds.saturating_add_signed(posted.holds);
        for change in &posted.changes {
            self.change(posted.step, change);
        }
        if posted.step == Step::Reset {
            let taken = posted.changes.iter().map(Changed::taken);
            self.resets.remember(Reset {
                name: posted.name,
                taken: taken.collect(),
            });
            return;
        }
        if posted.hold == 0 {
            return;
        }
        match posted.step {
            Step::Opened => {
                let shares = posted.changes.into_iter().map(|change| HeldShare {
                    balance: change.balance,
                    held: change.held.1,
                    floor: change.floor.1,
                });
                let hold = OpenHold {
                    name: posted.name,
                    opened: posted.at,
                    shares: shares.collect(),
                };
                self.holds.insert(posted.hold, hold);
            }
            Step::Extended => {
                let Some(hold) = self.holds.get_mut(&posted.hold) else {
                    return;
                };
                for change in posted.changes {
                    let mut shares = hold.shares.iter_mut();
                    if let Some(share) = shares.find(|share| share.balance == change.balance) {
                        share.held = change.held.1;
                        share.floor = change.floor.1;
                    }
                }
            }
            Step::Ended => {
                if let Some(hold) = self.holds.remove(&posted.hold)
                    && !hold.name.is_empty()
                {
                    self.end(&hold, &posted.changes);
                }
            }
            Step::Reset => {}
        }
    }

    fn end(&mut self, hold: &OpenHold, changes: &[Changed]) {
        let used = |unit| {
            let of = changes.iter().filter(|change| change.balance.unit == unit);
            let most = of.map(|change| change.used).max().unwrap_or(0);
            u64::try_from(most).unwrap_or(u64::MAX)
        };
        if self.ended.len() >= ENDED {
            self.ended.pop_front();
        }
        let owner = changes.first().map(|change| Arc::clone(&change.owner));
        self.ended.push_back(Ended {
            name: Arc::clone(&hold.name),
            owner: owner.unwrap_or_default(),
            opened: hold.opened,
            amounts: Amounts::by_unit(used),
            balances: changes
                .iter()
                .map(|change| change.balance.clone())
                .collect(),
        });
    }

    fn change(&mut self, step: Step, change: &Changed) {
        let tally = self.balances.entry(change.balance.clone()).or_default();
        tally.owner = Arc::clone(&change.owner);
        tally.limit = change.limit;
        let replaced = |sum: u128, (from, to)| sum.saturating_sub(from).saturating_add(to);
        tally.held = replaced(tally.held, change.held);
        let (from, to) = change.floor;
        tally.floor = replaced(tally.floor, (from.into(), to.into()));
        tally.used = match step {
            Step::Opened | Step::Extended | Step::Ended => tally.used.saturating_add(change.used),
            Step::Reset => tally.used.saturating_sub(change.used),
        };
        tally.holds = tally.holds.saturating_add_signed(change.holds);
        if tally.is_empty() {
            self.balances.remove(&change.balance);
        }
    }

    fn divide(&mut self, divided: &Divided) {
        self.open_holds = self.open_holds.saturating_add(1);
        let Some(hold) = self.holds.get_mut(&divided.hold) else {
            return;
        };
        let goes = |share: &HeldShare| divided.units.contains(&share.balance.unit);
        let (taken, kept) = std::mem::take(&mut hold.shares).into_iter().partition(goes);
        hold.shares = kept;
        let new = OpenHold {
            name: Arc::clone(&divided.name),
            opened: hold.opened,
            shares: taken,
        };
        self.holds.insert(divided.new, new);
    }

    /// Returns the open holds that are known.
    pub(crate) fn orphans(&self) -> Vec<Orphan> {
        let orphan = |(number, hold): (&u64, &OpenHold)| {
            let extended = |unit| {
                let of = hold
                    .shares
                    .iter()
                    .filter(|share| share.balance.unit == unit);
                of.map(|share| share.floor).max().unwrap_or(0)
            };
            let first = hold.shares.first();
            let tally = first.and_then(|share| self.balances.get(&share.balance));
            Orphan {
                number: *number,
                name: Arc::clone(&hold.name),
                owner: tally
                    .map(|tally| Arc::clone(&tally.owner))
                    .unwrap_or_default(),
                opened: hold.opened,
                extended: Amounts::by_unit(extended),
                balances: hold
                    .shares
                    .iter()
                    .map(|share| share.balance.clone())
                    .collect(),
            }
        };
        self.holds.iter().map(orphan).collect()
    }

    /// Ends an open hold with these amounts. Unknown ones change nothing.
    pub(crate) fn settle(&mut self, number: u64, amounts: Amounts) {
        let Some(hold) = self.holds.remove(&number) else {
            return;
        };
        self.open_holds = self.open_holds.saturating_sub(1);
        for share in hold.shares {
            let Some(tally) = self.balances.get_mut(&share.balance) else {
                continue;
            };
            let used = amounts.of(share.balance.unit).unwrap_or(0);
            tally.held = tally.held.saturating_sub(share.held);
            tally.floor = tally.floor.saturating_sub(share.floor.into());
            tally.used = tally.used.saturating_add(used.into());
            tally.holds = tally.holds.saturating_sub(1);
            if tally.is_empty() {
                self.balances.remove(&share.balance);
            }
        }
    }

    /// Returns the changes that end an open hold with these amounts.
    pub(crate) fn ending(&self, number: u64, amounts: Amounts) -> Vec<Change> {
        let hold = self.holds.get(&number);
        let shares = hold.iter().flat_map(|hold| &hold.shares);
        let change = |share: &HeldShare| {
            let tally = self.balances.get(&share.balance)?;
            Some(Change {
                balance: share.balance.clone(),
                owner: Arc::clone(&tally.owner),
                limit: tally.limit,
                held: (share.held, 0),
                floor: (share.floor, 0),
                used: amounts.of(share.balance.unit).unwrap_or(0).into(),
            })
        };
        shares.filter_map(change).collect()
    }

    /// Raises the use of a balance to at least this.
    pub(crate) fn raise(&mut self, balance: BalanceKey, used: u128) {
        let unknown = Tally {
            limit: u64::MAX,
            ..Tally::default()
        };
        let tally = self.balances.entry(balance).or_insert(unknown);
        tally.used = tally.used.max(used);
    }

    /// Returns the image of a ledger as it was exported. Its open holds are only counted.
    pub(crate) fn of(export: &Export) -> Self {
        let balances = export
            .balances
            .iter()
            .map(|carried| Tally::of(carried.clone()));
        let applied = export.applied.iter();
        Self {
            position: export.position,
            balances: balances.filter(|(_, tally)| !tally.is_empty()).collect(),
            holds: BTreeMap::new(),
            open_holds: export.open_holds,
            applied: applied.map(|last| (last.epoch, last.sequence)).collect(),
            ended: VecDeque::new(),
            resets: export.resets.clone(),
        }
    }

    /// Returns the balances that still count at this time, as a ledger inherits them: those of current periods first, the
    /// latest before earlier ones.
    ///
    /// A period that lies more than one of its lengths ahead was begun by a clock that ran far ahead. Its spending counts in
    /// the next period instead, because otherwise it would count until that day.
    pub(crate) fn export(&self, now: UnixMillis) -> Export {
        let mut balances = HashMap::<BalanceKey, Carried>::new();
        for (key, tally) in &self.balances {
            let is_over = key.resets_at.is_some_and(|resets_at| now >= resets_at);
            if is_over && tally.holds == 0 {
                continue;
            }
            let key = brought_back(key, now);
            let carried = balances.entry(key.clone()).or_insert_with(|| Carried {
                balance: key,
                owner: Arc::clone(&tally.owner),
                limit: tally.limit,
                used: 0,
                held: 0,
                floor: 0,
                holds: 0,
            });
            carried.used = carried.used.saturating_add(tally.used);
            carried.held = carried.held.saturating_add(tally.held);
            carried.floor = carried.floor.saturating_add(tally.floor);
            carried.holds = carried.holds.saturating_add(tally.holds);
        }
        let mut balances: Vec<_> = balances.into_values().collect();
        balances.sort_unstable_by_key(|carried| std::cmp::Reverse(carried.balance.resets_at));
        let applied = self.applied.iter();
        Export {
            balances,
            open_holds: self.open_holds,
            position: self.position,
            applied: applied
                .map(|(&epoch, &sequence)| Position { epoch, sequence })
                .collect(),
            resets: self.resets.clone(),
        }
    }

    /// Drops the balances that no longer count at this time.
    pub(crate) fn forget_past(&mut self, now: UnixMillis) {
        self.balances.retain(|key, tally| {
            tally.holds > 0 || key.resets_at.is_none_or(|resets_at| now < resets_at)
        });
    }
}

/// Returns the key of a balance, with the end of its period brought back to that of the next period at the most. A sliding window
/// counts no bucket that lies ahead, so its buckets are brought back to the current one.
fn brought_back(key: &BalanceKey, now: UnixMillis) -> BalanceKey {
    let current = key.window.resets_at(now);
    let next = match key.window {
        Window::Last(_) => current,
        _ => current.and_then(|end| key.window.resets_at(end)),
    };
    let resets_at = match (key.resets_at, next) {
        (Some(resets_at), Some(next)) if resets_at > next => Some(next),
        (resets_at, _) => resets_at,
    };
    BalanceKey {
        resets_at,
        ..key.clone()
    }
}

// === impl Tally ===

impl Tally {
    /// Returns the key of a balance and what it holds.
    pub(crate) fn of(carried: Carried) -> (BalanceKey, Self) {
        let tally = Self {
            owner: carried.owner,
            limit: carried.limit,
            used: carried.used,
            held: carried.held,
            floor: carried.floor,
            holds: carried.holds,
        };
        (carried.balance, tally)
    }

    /// Returns the balance with this key.
    pub(crate) fn carried(&self, key: &BalanceKey) -> Carried {
        Carried {
            balance: key.clone(),
            owner: Arc::clone(&self.owner),
            limit: self.limit,
            used: self.used,
            held: self.held,
            floor: self.floor,
            holds: self.holds,
        }
    }

    fn is_empty(&self) -> bool {
        self.used == 0 && self.held == 0 && self.holds == 0
    }
}
