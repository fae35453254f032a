//! Seats: the sessions in use of each account.
//!
//! The seat of a session is a balance, or one for each bucket of a sliding window in which the session was seen. Here they are counted
//! by account. A session is in use while a hold is open on one of its balances, and until the last period ends in which it was
//! used. The counts follow from the balances: they are changed, inherited and closed together.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::balance::Balance;
use crate::charge::{Charge, account_of};
use crate::{UnixMillis, Window};

/// The seats of all accounts.
#[derive(Debug, Default)]
pub(super) struct Seats {
    windows: HashMap<Window, Accounts, RandomState>,
}

type Accounts = HashMap<Arc<str>, Account, RandomState>;

/// The seats of an account in one window.
#[derive(Debug, Default)]
struct Account {
    seats: HashMap<Arc<str>, Seat, RandomState>,
    /// The number of seats with open holds.
    open: usize,
    /// The other seats, by the end of the last period in which they were used. There are as few such ends as a window has buckets.
    used: SmallVec<[(UnixMillis, usize); 4]>,
}

/// The seat of one session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seat {
    holds: u64,
    /// The end of the last period in which it was used, or zero if it was in none.
    ends: UnixMillis,
}

/// The change of a seat.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// The change of the number of open holds.
    pub(super) holds: i64,
    /// The usage in the period.
    pub(super) used: u128,
    /// The end of the period.
    pub(super) ends: Option<UnixMillis>,
}

// === impl Seats ===

impl Seats {
    /// Returns the number of seats in use in the account of a seat.
    pub(super) fn in_use(&self, seat: &str, window: Window, now: UnixMillis) -> u128 {
        let account = self.account(seat, window);
        account.map_or(0, |account| account.in_use(now) as u128)
    }

    /// Returns the number of other seats in use in the account that a charge is for.
    pub(super) fn others(&self, charge: &Charge, now: UnixMillis) -> u128 {
        let Some(account) = self.account(&charge.account, charge.window) else {
            return 0;
        };
        let own = account.seats.get(&charge.account);
        let counts = own.is_some_and(|seat| seat.is_in_use(now));
        account.in_use(now).saturating_sub(usize::from(counts)) as u128
    }

    /// Returns the time at which a seat is free for a charge if no session is used until then, or `None` if open requests take all of
    /// the limit.
    pub(super) fn free_at(
        &self,
        charge: &Charge,
        limit: u64,
        now: UnixMillis,
    ) -> Option<UnixMillis> {
        let account = self.account(&charge.account, charge.window)?;
        let mut ends: SmallVec<[_; 4]> =
            account.used.iter().filter(|(end, _)| *end > now).collect();
        ends.sort_unstable();
        let mut in_use = account.in_use(now);
        for (end, count) in ends {
            in_use -= count;
            if (in_use as u128) < u128::from(limit) {
                return Some(*end);
            }
        }
        None
    }

    /// Forgets a seat whose balance was closed, unless it is in use by another one.
    pub(super) fn forget(&mut self, balance: &Balance, now: UnixMillis) {
        let name = account_of(&balance.account);
        let Some(accounts) = self.windows.get_mut(&balance.window) else {
            return;
        };
        let Some(account) = accounts.get_mut(name) else {
            return;
        };
        let seat = account.seats.get(&balance.account).copied();
        if let Some(seat) = seat
            && seat.holds == 0
            && (seat.ends <= now
                || balance
                    .resets_at
                    .is_some_and(|end| balance.used > 0 && seat.ends <= end))
        {
            account.count(seat, Counted::Less);
            account.seats.remove(&balance.account);
        }
        if account.seats.is_empty() {
            accounts.remove(name);
        }
    }

    fn account(&self, seat: &str, window: Window) -> Option<&Account> {
        self.windows.get(&window)?.get(account_of(seat))
    }

    /// Counts a change of the balance of a seat.
    pub(super) fn turn(&mut self, name: &Arc<str>, window: Window, turn: Turn) {
        let account_name = account_of(name);
        let accounts = self.windows.entry(window).or_default();
        if !accounts.contains_key(account_name) {
            accounts.insert(account_name.into(), Account::default());
        }
        let Some(account) = accounts.get_mut(account_name) else {
            return;
        };
        let before = account.seats.get(name).copied().unwrap_or_default();
        let after = Seat {
            holds: before.holds.saturating_add_signed(turn.holds),
            ends: match turn.used {
                0 => before.ends,
                _ => turn.ends.unwrap_or(UnixMillis(u64::MAX)).max(before.ends),
            },
        };
        account.count(before, Counted::Less);
        account.count(after, Counted::More);
        if after == Seat::default() {
            account.seats.remove(name);
        } else {
            account.seats.insert(Arc::clone(name), after);
        }
        if account.seats.is_empty() {
            accounts.remove(account_name);
        }
    }
}

/// The direction in which a seat is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    More,
    Less,
}

// === impl Account ===

impl Account {
    fn in_use(&self, now: UnixMillis) -> usize {
        let used = self.used.iter().filter(|(end, _)| *end > now);
        self.open + used.map(|(_, count)| count).sum::<usize>()
    }

    /// Counts a seat once more, or once less.
    fn count(&mut self, seat: Seat, counted: Counted) {
        if seat == Seat::default() {
            return;
        }
        if seat.holds > 0 {
            self.open = match counted {
                Counted::More => self.open + 1,
                Counted::Less => self.open.saturating_sub(1),
            };
            return;
        }
        let place = self.used.iter().position(|(end, _)| *end == seat.ends);
        match (place.and_then(|place| self.used.get_mut(place)), counted) {
            (Some((_, count)), Counted::More) => *count += 1,
            (None, Counted::More) => self.used.push((seat.ends, 1)),
            (Some((_, count)), Counted::Less) => *count = count.saturating_sub(1),
            (None, Counted::Less) => {}
        }
        self.used.retain(|(_, count)| *count > 0);
    }
}

// === impl Seat ===

impl Seat {
    fn is_in_use(self, now: UnixMillis) -> bool {
        self.holds > 0 || self.ends > now
    }
}
