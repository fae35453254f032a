//! How an upstream has been doing over the last minute, and the requests that are at it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::Upstream;
use super::breaker::Leave;
use super::latency::Latency;
use super::window::Window;

/// Counts of one upstream.
#[derive(Debug)]
pub(crate) struct Stats {
    in_flight: AtomicU32,
    /// Requests that ended, and those of them that failed.
    minute: Window<6>,
    /// Time to the head of a good answer.
    pub(crate) latency: Latency,
}

/// The last minute of an upstream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Minute {
    /// Requests that ended.
    pub(crate) requests: u64,
    /// Those of them that failed by the upstream's fault.
    pub(crate) errors: u64,
}

/// A request that is at an upstream.
pub(crate) struct InFlight {
    upstream: Arc<Upstream>,
    leave: Leave,
    entered: Instant,
    sent: Sent,
    /// None as long as nothing was learned about the upstream.
    ended: Option<Ended>,
    /// What the breaker was told already.
    told: Option<Ended>,
}

/// How a request at an upstream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was answered, or the client's side ended it.
    Well,
    /// The upstream has no room for it: an error, and a sign of life.
    Overloaded,
    /// It failed by the upstream's fault.
    Badly,
}

/// Whether a request goes to the upstream at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Yes,
    Never,
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
    /// Requests at the upstream now.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The last minute.
    pub(crate) fn minute(&self, now: Instant) -> Minute {
        let (requests, errors) = self.minute.sum(now);
        Minute { requests, errors }
    }
}

// === impl InFlight ===

impl InFlight {
    /// Counts one in.
    pub(super) fn enter(upstream: Arc<Upstream>) -> Self {
        upstream.stats.in_flight.fetch_add(1, Ordering::Relaxed);
        Self::counted(upstream)
    }

    /// Counts one in, unless `most` are there already.
    pub(super) fn try_enter(upstream: Arc<Upstream>, most: u32) -> Option<Self> {
        let in_flight = &upstream.stats.in_flight;
        if in_flight.fetch_add(1, Ordering::Relaxed) >= most {
            in_flight.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self::counted(upstream))
    }

    fn counted(upstream: Arc<Upstream>) -> Self {
        Self {
            upstream,
            leave: Leave::Plain,
            entered: Instant::now(),
            sent: Sent::Yes,
            ended: None,
            told: None,
        }
    }

    /// Makes it the breaker's, who wants to know how it ended.
    pub(super) fn with(mut self, leave: Leave) -> Self {
        self.leave = leave;
        self
    }

    /// Takes it back: it was never sent.
    pub(super) fn refuse(mut self) {
        self.sent = Sent::Never;
    }

    /// Says that the head of an answer is there, and its status. The breaker hears of it at once: a stream may go on for
    /// minutes, and others wait for what a trial found.
    pub(crate) fn head(&mut self, status: u16) {
        let now = Instant::now();
        let ended = self.upstream.kind().ended(status);
        // An upstream that fails at once is not a fast one.
        if ended == Ended::Well {
            let took = now.saturating_duration_since(self.entered);
            self.upstream.stats.latency.record(took, now);
        }
        self.ended = Some(ended);
        self.tell(now);
    }

    /// Says how it ended. The last word counts; without one nothing was learned, and it counts as a request that ended
    /// well.
    pub(crate) fn end(&mut self, ended: Ended) {
        self.ended = Some(ended);
    }

    fn tell(&mut self, now: Instant) {
        if self.told.is_none() || self.told != self.ended {
            let leave = std::mem::replace(&mut self.leave, Leave::Plain);
            self.upstream.learn(leave, self.ended, now);
            self.told = self.ended;
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let now = Instant::now();
        let stats = &self.upstream.stats;
        stats.in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.sent == Sent::Never {
            return;
        }
        let failed = matches!(self.ended, Some(Ended::Badly | Ended::Overloaded));
        stats.minute.add(now, 1, u64::from(failed));
        self.tell(now);
    }
}
