//! Statistics of an upstream: requests in flight, the last minute, and latency.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::latency::Latency;
use super::window::Window;

/// Counters of one upstream.
#[derive(Debug)]
pub struct Stats {
    in_flight: AtomicU32,
    /// Requests that ended, and those of them that failed.
    minute: Window<6>,
    /// Time to the head of a good answer.
    pub latency: Latency,
}

/// The last minute of an upstream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Minute {
    /// Requests that the upstream answered or failed.
    pub requests: u64,
    /// Requests among them that failed by the upstream's fault.
    pub errors: u64,
}

/// The end of a request, where it says something about the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The upstream answered.
    Success,
    /// The upstream has no capacity for the request: an error, and a sign of life.
    Overloaded,
    /// The request failed by the upstream's fault.
    Failure,
}

// === impl Stats ===

impl Default for Stats {
    fn default() -> Self {
        Self {
            in_flight: AtomicU32::new(0),
            minute: Window::new(Duration::from_secs(10)),
            latency: Latency::default(),
        }
    }
}

impl Stats {
    /// Returns the number of requests at the upstream now.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Returns the counts of the last minute.
    pub fn minute(&self, now: Instant) -> Minute {
        let (requests, errors) = self.minute.sum(now);
        Minute { requests, errors }
    }

    /// Counts a request in flight. Returns `false`, and counts nothing, where `limit` is reached.
    pub(super) fn try_enter(&self, limit: u32) -> bool {
        let entered = self.in_flight.fetch_add(1, Ordering::Relaxed) < limit;
        if !entered {
            self.leave();
        }
        entered
    }

    /// Ends a request that [`Stats::try_enter`] counted.
    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts the outcome of a request.
    pub(super) fn record(&self, outcome: Outcome, now: Instant) {
        let failed = match outcome {
            Outcome::Success => 0,
            Outcome::Overloaded | Outcome::Failure => 1,
        };
        self.minute.add(now, 1, failed);
    }
}
