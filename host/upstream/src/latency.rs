//! The latency of an upstream's heads, as an exponentially weighted moving average.
//!
//! Two atomics and no lock: an update lost to a simultaneous one does not matter.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The inverse weight of the newest value: one eighth.
const WEIGHT: u64 = 8;

/// The half-life of an average that is not updated, so that an upstream that was slow once is tried again. Applies to
/// the choice between upstreams only.
const HALF_LIFE: Duration = Duration::from_secs(10);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The average of one upstream.
#[derive(Debug, Default)]
pub struct Latency {
    /// Microseconds; zero before the first value.
    micros: AtomicU64,
    /// The time of the newest value, in milliseconds since the start.
    at: AtomicU64,
    known: AtomicBool,
}

// === impl Latency ===

impl Latency {
    /// Records a latency.
    pub(crate) fn record(&self, took: Duration, now: Instant) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX / WEIGHT);
        let average = if self.known.load(Ordering::Relaxed) {
            let old = self.micros.load(Ordering::Relaxed);
            old.saturating_mul(WEIGHT - 1).saturating_add(took) / WEIGHT
        } else {
            took
        };
        self.micros.store(average, Ordering::Relaxed);
        self.at.store(millis(now), Ordering::Relaxed);
        self.known.store(true, Ordering::Relaxed);
    }

    /// Returns the average, or `None` before the first value.
    pub fn average(&self) -> Option<Duration> {
        self.known
            .load(Ordering::Relaxed)
            .then(|| Duration::from_micros(self.micros.load(Ordering::Relaxed)))
    }

    /// Returns the decayed average in microseconds, for the choice between upstreams. Zero, before the first value,
    /// makes an upstream worth a try.
    pub(crate) fn aged_micros(&self, now: Instant) -> u64 {
        let age = millis(now).saturating_sub(self.at.load(Ordering::Relaxed));
        let halvings = u128::from(age) / HALF_LIFE.as_millis();
        let halvings = u32::try_from(halvings).unwrap_or(u32::MAX);
        self.micros
            .load(Ordering::Relaxed)
            .checked_shr(halvings)
            .unwrap_or(0)
    }
}

fn millis(now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(*START).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_follows_and_fades_for_choosing_only() {
        let latency = Latency::default();
        let now = Instant::now() + Duration::from_secs(100);
        assert_eq!(latency.average(), None, "nothing is known");
        latency.record(Duration::from_millis(80), now);
        assert_eq!(
            latency.average(),
            Some(Duration::from_millis(80)),
            "the first value stands"
        );
        latency.record(Duration::from_millis(160), now);
        assert_eq!(
            latency.average(),
            Some(Duration::from_millis(90)),
            "the next one counts an eighth"
        );
        let later = now + Duration::from_secs(20);
        assert_eq!(latency.aged_micros(later), 22_500, "two half-lives later");
        assert_eq!(
            latency.average(),
            Some(Duration::from_millis(90)),
            "what is shown stays"
        );
        assert_eq!(
            latency.aged_micros(now + Duration::from_secs(10_000)),
            0,
            "in the end it is worth a try"
        );
    }
}
