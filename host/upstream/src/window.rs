//! Lock-free counts over a sliding window.
//!
//! A ring of slots, each an atomic pair of counts with the period it belongs to. A reader may see a slot in the middle
//! of its reset and be off by the events of that moment, which is acceptable here; a lock on the request path is not.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Two counts over `SLOTS` periods.
#[derive(Debug)]
pub(crate) struct Window<const SLOTS: usize> {
    period: Duration,
    slots: [Slot; SLOTS],
}

#[derive(Debug, Default)]
struct Slot {
    /// The number of the period that the counts belong to.
    period: AtomicU64,
    first: AtomicU64,
    second: AtomicU64,
}

// === impl Window ===

impl<const SLOTS: usize> Window<SLOTS> {
    /// Creates a window over `SLOTS` periods of this length.
    pub(crate) fn new(period: Duration) -> Self {
        Self {
            period,
            slots: std::array::from_fn(|_| Slot::default()),
        }
    }

    /// Adds to both counts.
    pub(crate) fn add(&self, now: Instant, first: u64, second: u64) {
        let period = self.number(now);
        let slot = usize::try_from(period)
            .ok()
            .and_then(|period| self.slots.get(period % SLOTS));
        let Some(slot) = slot else {
            return;
        };
        let seen = slot.period.load(Ordering::Relaxed);
        if seen != period
            && slot
                .period
                .compare_exchange(seen, period, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            slot.first.store(0, Ordering::Relaxed);
            slot.second.store(0, Ordering::Relaxed);
        }
        slot.first.fetch_add(first, Ordering::Relaxed);
        slot.second.fetch_add(second, Ordering::Relaxed);
    }

    /// Returns both counts over the window.
    pub(crate) fn sum(&self, now: Instant) -> (u64, u64) {
        let current = self.number(now);
        let mut sum = (0_u64, 0_u64);
        for slot in &self.slots {
            let age = current.saturating_sub(slot.period.load(Ordering::Relaxed));
            if age < SLOTS as u64 {
                sum.0 = sum.0.saturating_add(slot.first.load(Ordering::Relaxed));
                sum.1 = sum.1.saturating_add(slot.second.load(Ordering::Relaxed));
            }
        }
        sum
    }

    /// Resets all counts.
    pub(crate) fn clear(&self) {
        for slot in &self.slots {
            slot.period.store(0, Ordering::Relaxed);
        }
    }

    fn number(&self, now: Instant) -> u64 {
        let since =
            now.saturating_duration_since(*START).as_nanos() / self.period.as_nanos().max(1);
        // Starts at one lap, so that the zero of a fresh slot is never the current period.
        u64::try_from(since)
            .unwrap_or(u64::MAX / 2)
            .saturating_add(SLOTS as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_remembered_for_the_window_and_then_forgotten() {
        let window = Window::<6>::new(Duration::from_secs(10));
        let start = Instant::now() + Duration::from_secs(600);
        let at = |seconds| start + Duration::from_secs(seconds);
        window.add(at(0), 1, 0);
        window.add(at(20), 1, 1);
        assert_eq!(window.sum(at(20)), (2, 1), "both are within the minute");
        assert_eq!(window.sum(at(65)), (1, 1), "the first is over a minute old");
        assert_eq!(window.sum(at(200)), (0, 0), "all is forgotten");
        window.add(at(201), 5, 5);
        window.clear();
        assert_eq!(window.sum(at(201)), (0, 0), "and when it is told to");
    }
}
