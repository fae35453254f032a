//! The level of one limit: what is left of it, as far as the last answer and the time since then tell.

use std::time::{Duration, Instant};

use super::reading::Bucket;

/// The part of a change that an average takes over: an eighth.
const SMOOTHING: u64 = 8;

/// A limit that fills up evenly, as the API's do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    bucket: Bucket,
    read_at: Instant,
    /// The average that a request takes.
    per_request: u64,
}

// === impl Level ===

impl Level {
    /// Creates a level from the first answer. `per_request` is what a request takes, if that is known.
    pub(crate) fn new(bucket: Bucket, per_request: u64, now: Instant) -> Self {
        Self {
            bucket,
            read_at: now,
            per_request,
        }
    }

    /// Returns the limit.
    pub(crate) fn limit(&self) -> u64 {
        self.bucket.limit
    }

    /// Learns from another answer what is left. With `learns`, what is gone since the last answer is what a request takes,
    /// on average over many answers.
    pub(crate) fn read(&mut self, bucket: Bucket, learns: Learns, now: Instant) {
        if learns == Learns::Average {
            let taken = self.left(now).saturating_sub(bucket.left);
            self.per_request = match self.per_request {
                0 => taken,
                average => (average * (SMOOTHING - 1)).saturating_add(taken) / SMOOTHING,
            };
        }
        self.bucket = bucket;
        self.read_at = now;
    }

    /// Returns what is left.
    pub(crate) fn left(&self, now: Instant) -> u64 {
        let Bucket {
            limit,
            left,
            full_in,
        } = self.bucket;
        let since = now.saturating_duration_since(self.read_at).as_millis();
        let whole = full_in.as_millis();
        let missing = u128::from(limit.saturating_sub(left));
        if since >= whole {
            return limit.max(left);
        }
        let back = missing * since / whole.max(1);
        left.saturating_add(u64::try_from(back).unwrap_or(u64::MAX))
    }

    /// Returns what is left once so many requests that are under way have taken their part.
    pub(crate) fn left_after(&self, requests: u32, now: Instant) -> u64 {
        let taken = u64::from(requests).saturating_mul(self.per_request);
        self.left(now).saturating_sub(taken)
    }

    /// Returns the thousandths that an amount is of the limit.
    pub(crate) fn permille(&self, amount: u64) -> u32 {
        let permille = u128::from(amount) * 1000 / u128::from(self.bucket.limit.max(1));
        u32::try_from(permille.min(1000)).unwrap_or(1000)
    }

    /// Returns the time until so much is left.
    pub(crate) fn time_until(&self, wanted: u64, now: Instant) -> Duration {
        let Bucket {
            limit,
            left,
            full_in,
        } = self.bucket;
        if self.left(now) >= wanted {
            return Duration::ZERO;
        }
        let missing = u128::from(limit.saturating_sub(left)).max(1);
        let needed = u128::from(wanted.min(limit).saturating_sub(left));
        let millis = (full_in.as_millis() * needed).div_ceil(missing);
        let after = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
        let at = self.read_at.checked_add(after.min(full_in));
        at.map_or(full_in, |at| at.saturating_duration_since(now))
    }
}

/// The use of a reading for the average of what a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learns {
    Average,
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(left: u64, now: Instant) -> Level {
        let bucket = Bucket {
            limit: 100,
            left,
            full_in: Duration::from_secs(10),
        };
        Level::new(bucket, 1, now)
    }

    #[test]
    fn a_limit_fills_up_evenly_and_no_further() {
        let now = Instant::now();
        let level = level(0, now);
        for (seconds, left) in [(0, 0), (1, 10), (5, 50), (10, 100), (60, 100)] {
            let then = now + Duration::from_secs(seconds);
            assert_eq!(level.left(then), left, "after {seconds} s");
        }
        let then = now + Duration::from_secs(5);
        assert_eq!(level.left_after(20, then), 30, "twenty are under way");
        assert_eq!(level.left_after(80, then), 0, "more than there is");
    }

    #[test]
    fn the_time_until_an_amount_is_there_is_exact() {
        let now = Instant::now();
        let level = level(20, now);
        assert_eq!(level.time_until(20, now), Duration::ZERO, "it is there");
        let wait = level.time_until(60, now);
        assert_eq!(wait, Duration::from_secs(5), "half of what is missing");
        assert!(level.left(now + wait) >= 60, "and then it is there");
        let more = level.time_until(1000, now);
        assert_eq!(more, Duration::from_secs(10), "no more than the limit");
    }

    #[test]
    fn what_a_request_takes_is_learned() {
        let now = Instant::now();
        let bucket = |left| Bucket {
            limit: 1_000_000,
            left,
            full_in: Duration::from_secs(3600),
        };
        let mut level = Level::new(bucket(1_000_000), 0, now);
        for answers in 1..100 {
            let left = 1_000_000 - answers * 5000;
            level.read(bucket(left), Learns::Average, now);
        }
        assert_eq!(level.per_request, 5000, "each took as much");
        // Answers of requests at the same time may come in another order.
        level.read(bucket(900_000), Learns::Average, now);
        assert!(level.per_request < 5000, "a rise is nothing taken");
    }
}
