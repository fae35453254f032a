//! How an upstream has been doing over the last minute.
//!
//! Six buckets of ten seconds, each an atomic pair of counts and the time it belongs to. A reader may see a bucket in
//! the middle of its reset and be off by the requests of that moment; routing can live with that, a lock could not
//! live on the request path.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use witgate_runtime::UpstreamStats;

use super::Upstream;

const BUCKETS: usize = 6;
const BUCKET_SECONDS: u64 = 10;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Counts of one upstream.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    in_flight: AtomicU32,
    buckets: [Bucket; BUCKETS],
}

#[derive(Debug, Default)]
struct Bucket {
    /// Number of the period that the counts are of.
    period: AtomicU64,
    requests: AtomicU64,
    errors: AtomicU64,
}

/// A request that is at an upstream.
pub(crate) struct InFlight {
    upstream: Arc<Upstream>,
    ended: Ended,
}

/// How a request at an upstream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was answered, or the client's side ended it.
    Well,
    /// It failed by the upstream's fault.
    Badly,
}

// === impl Stats ===

impl Stats {
    fn count(&self, ended: Ended, now: Instant) {
        let period = period(now);
        let Some(bucket) = usize::try_from(period)
            .ok()
            .and_then(|period| self.buckets.get(period % BUCKETS))
        else {
            return;
        };
        let seen = bucket.period.load(Ordering::Relaxed);
        if seen != period
            && bucket
                .period
                .compare_exchange(seen, period, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            bucket.requests.store(0, Ordering::Relaxed);
            bucket.errors.store(0, Ordering::Relaxed);
        }
        bucket.requests.fetch_add(1, Ordering::Relaxed);
        if ended == Ended::Badly {
            bucket.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Requests at the upstream now.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The last minute, as plugins get it.
    pub(crate) fn snapshot(&self, name: &str, now: Instant) -> UpstreamStats {
        let current = period(now);
        let (mut requests, mut errors) = (0, 0);
        for bucket in &self.buckets {
            let age = current.saturating_sub(bucket.period.load(Ordering::Relaxed));
            if age < BUCKETS as u64 {
                requests += bucket.requests.load(Ordering::Relaxed);
                errors += bucket.errors.load(Ordering::Relaxed);
            }
        }
        UpstreamStats {
            name: name.to_owned(),
            in_flight: self.in_flight(),
            requests,
            errors,
            attributes: Vec::new(),
        }
    }
}

fn period(now: Instant) -> u64 {
    // Starts at one lap, so that the zero of a fresh bucket is never a current period.
    now.saturating_duration_since(*START).as_secs() / BUCKET_SECONDS + BUCKETS as u64
}

// === impl InFlight ===

impl InFlight {
    pub(super) fn enter(upstream: Arc<Upstream>) -> Self {
        upstream.stats.in_flight.fetch_add(1, Ordering::Relaxed);
        Self {
            upstream,
            ended: Ended::Well,
        }
    }

    /// Says how it ended; without that it ended well.
    pub(crate) fn end(&mut self, ended: Ended) {
        self.ended = ended;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.upstream
            .stats
            .in_flight
            .fetch_sub(1, Ordering::Relaxed);
        self.upstream.stats.count(self.ended, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_minute_is_remembered_and_then_forgotten() {
        let stats = Stats::default();
        let start = Instant::now() + Duration::from_secs(600);
        stats.count(Ended::Well, start);
        stats.count(Ended::Badly, start + Duration::from_secs(20));
        let seen = stats.snapshot("a", start + Duration::from_secs(20));
        assert_eq!(
            (seen.requests, seen.errors),
            (2, 1),
            "both count within the minute"
        );
        let later = stats.snapshot("a", start + Duration::from_secs(65));
        assert_eq!(
            (later.requests, later.errors),
            (1, 1),
            "the first one is over a minute old"
        );
        let gone = stats.snapshot("a", start + Duration::from_secs(200));
        assert_eq!((gone.requests, gone.errors), (0, 0), "all is forgotten");
    }
}
