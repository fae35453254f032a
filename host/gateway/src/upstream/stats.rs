//! How an upstream has been doing over the last minute, and the requests that are at it.
//!
//! An [`InFlight`] is the only way to ask an upstream on behalf of a request, and it alone says what the end of one means:
//! from a status, a [`Failed`] or a body that broke off, all of them typed. A request that somebody else ended, by leaving
//! or by a limit of their own, teaches nothing and counts nowhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::Upstream;
use super::breaker::{Leave, Word};
use super::connection::{Answering, Departure, Failed, Outgoing};
use super::latency::Latency;
use super::limit::{ChosenBy, Limit};
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
    /// Requests that the upstream answered, or failed.
    pub(crate) requests: u64,
    /// Those of them that failed by the upstream's fault.
    pub(crate) errors: u64,
}

/// A request that is at an upstream.
pub(crate) struct InFlight {
    upstream: Arc<Upstream>,
    leave: Leave,
    /// When the upstream had the request, and its time to answer began.
    since: Instant,
    sent: Sent,
    /// None as long as nothing was learned about the upstream.
    ended: Option<Ended>,
    /// What the breaker was told already.
    told: Option<Ended>,
}

/// How a request at an upstream ended, where that says something about the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was answered.
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

// === impl Failed ===

impl Failed {
    /// Whether it says anything about the upstream.
    pub(crate) fn is_upstreams(&self) -> bool {
        self.ended().is_some()
    }

    /// What it says about the upstream; nothing where the limit that elapsed is not the upstream's own.
    fn ended(&self) -> Option<Ended> {
        match self {
            Self::Connect { .. } | Self::Broken { .. } | Self::Malformed { .. } => {
                Some(Ended::Badly)
            }
            Self::Timeout { limit, .. } => match limit.chosen_by {
                ChosenBy::Upstream => Some(Ended::Badly),
                ChosenBy::Plan | ChosenBy::Caller => None,
            },
        }
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
            since: Instant::now(),
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

    /// Asks the upstream, and learns from how that ends. A question that is dropped before its end teaches nothing.
    ///
    /// # Errors
    ///
    /// [`Failed`]: nothing of an answer has been read.
    pub(crate) async fn ask(
        &mut self,
        outgoing: Outgoing<'_>,
        limit: Limit,
    ) -> Result<Answering, Failed> {
        self.ask_watched(outgoing, limit, &Departure::default())
            .await
    }

    /// As [`InFlight::ask`], and notes on `departure` when the request has gone out.
    ///
    /// # Errors
    ///
    /// As [`InFlight::ask`].
    pub(crate) async fn ask_watched(
        &mut self,
        outgoing: Outgoing<'_>,
        limit: Limit,
        departure: &Departure,
    ) -> Result<Answering, Failed> {
        self.since = Instant::now();
        let asked = self.upstream.ask_watched(outgoing, limit, departure).await;
        match &asked {
            Ok(answering) => self.answered(answering),
            Err(failed) => self.failed(failed),
        }
        asked
    }

    /// Says that the upstream has all of a request that was sent piece by piece: from here on it is the upstream that
    /// takes its time, not the client.
    pub(crate) fn sent(&mut self) {
        self.since = Instant::now();
    }

    /// Learns from the head of an answer. The breaker hears of it at once: a stream may go on for minutes, and others wait
    /// for what a trial found.
    pub(crate) fn answered(&mut self, answering: &Answering) {
        let now = Instant::now();
        let ended = self.upstream.kind().ended(answering.status());
        // An upstream that fails at once is not a fast one.
        if ended == Ended::Well {
            let took = now.saturating_duration_since(self.since);
            self.upstream.stats.latency.record(took, now);
        }
        self.ended = Some(ended);
        self.tell(now);
    }

    /// Learns from an answer to a body that was not sent to its end. How long that took was the client's affair, and so was
    /// it if the upstream got tired of waiting.
    pub(crate) fn answered_early(&mut self, answering: &Answering) {
        let status = answering.status();
        if status != 408 {
            self.reported(status);
        }
    }

    /// Learns from an error inside an answer, as from the status that stands for it.
    pub(crate) fn reported(&mut self, status: u16) {
        self.ended = Some(self.upstream.kind().ended(status));
        self.tell(Instant::now());
    }

    /// Learns from an attempt without an answer.
    pub(crate) fn failed(&mut self, failed: &Failed) {
        if let Some(ended) = failed.ended() {
            self.end(ended);
        }
    }

    /// Learns from the body of an answer, once it is not read any further.
    pub(crate) fn read(&mut self, answering: &Answering) {
        if answering.is_broken() {
            self.end(Ended::Badly);
        }
    }

    /// Says how it ended. The last word counts.
    pub(super) fn end(&mut self, ended: Ended) {
        self.ended = Some(ended);
    }

    fn tell(&mut self, now: Instant) {
        if self.told.is_some() && self.told == self.ended {
            return;
        }
        let leave = std::mem::replace(&mut self.leave, Leave::Plain);
        let word = match (self.ended, self.told) {
            (None, _) => None,
            (Some(Ended::Badly), Some(_)) => Some(Word::BadAfterAll),
            (Some(Ended::Badly), None) => Some(Word::Bad),
            (Some(Ended::Well | Ended::Overloaded), None) => Some(Word::Good),
            // It has been counted as alive.
            (Some(Ended::Well | Ended::Overloaded), Some(_)) => return,
        };
        self.upstream.learn(leave, word, now);
        self.told = self.ended;
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
        if let Some(ended) = self.ended {
            let failed = match ended {
                Ended::Well => 0,
                Ended::Overloaded | Ended::Badly => 1,
            };
            stats.minute.add(now, 1, failed);
        }
        self.tell(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_an_attempt_fails_with_only_a_limit_of_somebody_else_says_nothing() {
        let upstream = || "a".to_owned();
        let late = |chosen_by| Failed::Timeout {
            upstream: upstream(),
            limit: Limit {
                after: Duration::from_secs(1),
                chosen_by,
            },
        };
        let reason = String::new;
        for failed in [
            Failed::Connect {
                upstream: upstream(),
                reason: reason(),
            },
            Failed::Broken {
                upstream: upstream(),
                reason: reason(),
            },
            Failed::Malformed {
                upstream: upstream(),
                reason: reason(),
            },
            late(ChosenBy::Upstream),
        ] {
            assert_eq!(failed.ended(), Some(Ended::Badly), "its fault: {failed}");
        }
        for chosen_by in [ChosenBy::Plan, ChosenBy::Caller] {
            let failed = late(chosen_by);
            assert_eq!(failed.ended(), None, "somebody else's limit: {failed}");
        }
    }
}
