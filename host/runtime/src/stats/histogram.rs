//! A lock-free histogram of durations.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A histogram whose buckets are quarters of powers of two, from one nanosecond to centuries.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: Box<[AtomicU64]>,
}

// === impl Histogram ===

const BUCKETS: usize = 64 * 4;

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Histogram {
    pub(super) fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket_of(nanos)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.buckets
            .iter()
            .map(|bucket| bucket.load(Ordering::Relaxed))
            .sum()
    }

    /// Returns the upper end of the bucket that holds a percentile, in nanoseconds, or 0 if nothing was recorded.
    pub(super) fn percentile(&self, percent: u64) -> u64 {
        let wanted = self.total().saturating_mul(percent).div_ceil(100);
        let mut seen: u64 = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen = seen.saturating_add(bucket.load(Ordering::Relaxed));
            if seen >= wanted && seen > 0 {
                return end_of(index);
            }
        }
        0
    }
}

/// Returns the bucket of a value. Values below 4 have their own buckets; above, the two bits after the highest one select the
/// quarter.
fn bucket_of(nanos: u64) -> usize {
    let exponent = nanos.max(1).ilog2();
    let index = if exponent < 2 {
        nanos
    } else {
        u64::from(exponent) * 4 + ((nanos >> (exponent - 2)) & 3)
    };
    usize::try_from(index).unwrap_or(BUCKETS - 1)
}

/// Returns the largest value of a bucket.
fn end_of(index: usize) -> u64 {
    let index = u64::try_from(index).unwrap_or(u64::MAX);
    let (exponent, quarter) = (index / 4, index % 4);
    if exponent < 2 {
        return index;
    }
    let unit = 1_u64 << (exponent - 2);
    unit.saturating_mul(4 + quarter + 1).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_within_a_quarter_of_the_recorded_time() {
        for nanos in [1_u64, 3, 4, 7, 100, 999, 5_000_000, u64::MAX / 2] {
            let histogram = Histogram::default();
            histogram.record(Duration::from_nanos(nanos));
            let p50 = histogram.percentile(50);
            assert!(p50 >= nanos, "{p50} is below {nanos}");
            assert!(p50 - nanos <= nanos / 4 + 1, "{p50} is far above {nanos}");
        }
    }

    #[test]
    fn percentiles_separate_the_slow_from_the_usual() {
        let histogram = Histogram::default();
        assert_eq!(histogram.percentile(50), 0, "nothing recorded is zero");
        for _ in 0..98 {
            histogram.record(Duration::from_nanos(200));
        }
        for _ in 0..2 {
            histogram.record(Duration::from_millis(4));
        }
        assert!(histogram.percentile(50) < 256, "the usual call");
        assert!(histogram.percentile(99) >= 4_000_000, "the slow call");
        assert_eq!(histogram.total(), 100, "every call is counted");
    }
}
