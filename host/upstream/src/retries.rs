//! The retry budget of an upstream, which keeps retries from multiplying an outage.
//!
//! Each request deposits a fraction of a retry, each retry withdraws a whole one, and deposits expire after ten
//! seconds. A floor lets a gateway with little traffic retry at all. However long an upstream is down, it gets at most
//! `ratio` more requests than clients send, plus the floor.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::window::Window;

/// The life of a deposit, in slots of a second.
const SECONDS: usize = 10;

/// Retries within [`SECONDS`] that need no deposit: one a second.
const FLOOR: u64 = 10;

/// The parts of one retry.
const WHOLE: u64 = 1000;

/// The budget of one upstream.
#[derive(Debug)]
pub struct RetryBudget {
    /// The deposit of a request, in thousandths of a retry.
    deposit: u64,
    /// Deposits and withdrawals, in thousandths of a retry.
    window: Window<SECONDS>,
    /// A lock that serializes withdrawals, so that no two take the last retry.
    till: Mutex<()>,
}

// === impl RetryBudget ===

impl RetryBudget {
    /// Creates a budget with this deposit for each request, in thousandths of a retry.
    pub(crate) fn new(permille: u32) -> Self {
        Self {
            deposit: u64::from(permille),
            window: Window::new(Duration::from_secs(1)),
            till: Mutex::new(()),
        }
    }

    /// Deposits for a request that is sent for the first time.
    pub fn deposit(&self) {
        self.deposit_at(Instant::now());
    }

    /// Withdraws a retry. Returns `false` if the budget is spent.
    pub fn try_withdraw(&self) -> bool {
        self.try_withdraw_at(Instant::now())
    }

    /// Returns the number of retries that are left.
    pub fn left(&self, now: Instant) -> u64 {
        let (deposits, withdrawals) = self.window.sum(now);
        (FLOOR * WHOLE + deposits).saturating_sub(withdrawals) / WHOLE
    }

    fn deposit_at(&self, now: Instant) {
        self.window.add(now, self.deposit, 0);
    }

    fn try_withdraw_at(&self, now: Instant) -> bool {
        // The lock guards nothing but the order of withdrawals.
        let _turn = self.till.lock();
        let left = self.left(now) > 0;
        if left {
            self.window.add(now, 0, WHOLE);
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn withdrawals(budget: &RetryBudget, now: Instant) -> usize {
        (0..1000).filter(|_| budget.try_withdraw_at(now)).count()
    }

    #[test]
    fn retries_are_a_part_of_the_requests_above_a_floor() {
        let now = Instant::now();
        let budget = RetryBudget::new(200);
        (0..100).for_each(|_| budget.deposit_at(now));
        assert_eq!(withdrawals(&budget, now), 30, "ten, and a fifth of 100");
        assert!(!budget.try_withdraw_at(now), "then none");
    }

    #[test]
    fn the_budget_comes_back_with_time_and_is_not_saved_up() {
        let now = Instant::now() + Duration::from_secs(60);
        let budget = RetryBudget::new(200);
        (0..1000).for_each(|_| budget.deposit_at(now));
        let later = now + Duration::from_secs(20);
        assert_eq!(withdrawals(&budget, later), 10, "old deposits are gone");
        let again = later + Duration::from_secs(20);
        assert_eq!(withdrawals(&budget, again), 10, "and the floor is back");
    }

    #[test]
    fn two_threads_never_share_the_last_retry() {
        let now = Instant::now();
        let budget = RetryBudget::new(0);
        let taken: usize = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| withdrawals(&budget, now)))
                .collect();
            takers.into_iter().map(|taker| taker.join().unwrap()).sum()
        });
        assert_eq!(taken, 10, "exactly the floor");
    }
}
