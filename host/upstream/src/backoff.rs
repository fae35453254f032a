//! The wait between retries at one upstream: exponential backoff with full jitter.
//!
//! The wait is uniformly random between zero and the ceiling of the attempt, so that clients that failed together do
//! not retry together (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).

use std::time::Duration;

use rand::Rng;

use crate::config::RetryPolicy;

/// The backoff between attempts at one upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The ceiling before the first retry, which doubles with each further one.
    base: Duration,
    /// The upper bound of the ceiling.
    cap: Duration,
}

// === impl Backoff ===

impl From<&RetryPolicy> for Backoff {
    fn from(policy: &RetryPolicy) -> Self {
        Self {
            base: policy.base,
            cap: policy.cap,
        }
    }
}

impl Backoff {
    /// Returns the wait before retry number `attempt`, counted from 0.
    pub fn delay(self, attempt: u32, rng: &mut impl Rng) -> Duration {
        let ceiling = self.ceiling(attempt);
        let nanos = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(rng.gen_range(0..=nanos))
    }

    /// Returns the longest wait before retry number `attempt`.
    fn ceiling(self, attempt: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempt).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_the_cap_and_never_overflows() {
        let backoff = Backoff::from(&RetryPolicy::default());
        let ceilings = [0, 1, 2, 3, 4, 5, 31, 32, u32::MAX].map(|attempt| backoff.ceiling(attempt));
        let millis = [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000];
        assert_eq!(ceilings, millis.map(Duration::from_millis), "ceilings");
    }

    #[test]
    fn the_wait_is_spread_over_the_whole_ceiling() {
        let backoff = Backoff::from(&RetryPolicy::default());
        let mut rng = StdRng::seed_from_u64(7);
        let waits: Vec<_> = (0..1000).map(|_| backoff.delay(1, &mut rng)).collect();
        let millis = Duration::from_millis;
        assert!(
            waits.iter().all(|wait| *wait <= millis(1000)),
            "never over the ceiling"
        );
        let early = waits.iter().filter(|wait| **wait < millis(500)).count();
        assert!(
            (400..600).contains(&early),
            "half of them in the first half: {early}"
        );
        assert!(waits.iter().any(|wait| *wait < millis(20)), "some at once");
    }
}
