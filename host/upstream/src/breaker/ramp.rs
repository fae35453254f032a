//! The recovery of an upstream: a few trials at first, and more with each successful round.
//!
//! A ramp begins with one trial. A round is over when as many trials have ended as may be under way. A successful round
//! doubles that number, a bad one halves it, and a bad round of one trial ends the ramp. The ramp is complete when
//! enough trials have ended and no request had to be refused.

use std::time::{Duration, Instant};

use super::{Report, Tally, Ticket};
use crate::config::BreakerPolicy;

/// The number of trials under way at which every request is admitted.
const PLENTY: u32 = 4096;

/// A ramp.
#[derive(Debug)]
pub(super) struct Ramp {
    /// The number that distinguishes its trials from those of an earlier ramp.
    number: u64,
    /// Trials that may be under way.
    allowed: u32,
    /// Trials that are under way.
    out: u32,
    /// The time of the last admitted trial.
    last: Option<Instant>,
    /// The time of the first successful trial.
    began: Option<Instant>,
    /// Ended trials of the current round.
    round: Tally,
    /// Ended trials of all rounds.
    total: Tally,
    crowd: Crowd,
}

/// The demand for trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crowd {
    All,
    TurnedAway,
}

/// The effect of the end of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The ramp continues.
    On,
    /// The ramp failed: the upstream gets no requests again.
    Failed,
    /// The ramp is complete, with this many failures.
    Over(Tally),
}

// === impl Ramp ===

impl Default for Ramp {
    fn default() -> Self {
        Self {
            number: 0,
            allowed: 1,
            out: 0,
            last: None,
            began: None,
            round: Tally::default(),
            total: Tally::default(),
            crowd: Crowd::All,
        }
    }
}

impl Ramp {
    /// Returns the ramp after this one.
    pub(super) fn next(&self) -> Self {
        Self {
            number: self.number.wrapping_add(1),
            ..Self::default()
        }
    }

    /// Returns whether the ramp has this number.
    pub(super) fn is(&self, number: u64) -> bool {
        self.number == number
    }

    /// Returns whether another trial can be admitted. Trials without an outcome for `patience` do not block others: an
    /// answer may take minutes.
    pub(super) fn has_room(&self, now: Instant, patience: Duration) -> bool {
        let silent = || {
            self.last
                .is_none_or(|last| now.saturating_duration_since(last) >= patience)
        };
        self.out < self.allowed || silent()
    }

    /// Admits a trial if there is room.
    pub(super) fn enter(&mut self, now: Instant, patience: Duration) -> Option<Ticket> {
        if !self.has_room(now, patience) {
            self.crowd = Crowd::TurnedAway;
            return None;
        }
        self.out = self.out.saturating_add(1);
        self.last = Some(now);
        Some(Ticket::Trial(self.number))
    }

    /// Takes back a trial without an outcome.
    pub(super) fn unused(&mut self) {
        self.out = self.out.saturating_sub(1);
    }

    /// Counts a trial that ended. A round fails at `percent` failures in a hundred.
    pub(super) fn ended(
        &mut self,
        report: Report,
        percent: u32,
        policy: &BreakerPolicy,
        now: Instant,
    ) -> Step {
        self.out = self.out.saturating_sub(1);
        let failed = u64::from(report != Report::Success);
        for tally in [&mut self.round, &mut self.total] {
            tally.of += 1;
            tally.failed += failed;
        }
        if report == Report::Success {
            self.began.get_or_insert(now);
        }
        let (of, allowed) = (self.round.of, u64::from(self.allowed));
        let bad = self.round.reaches(percent);
        if of >= allowed && bad && self.allowed == 1 {
            return Step::Failed;
        }
        // By the middle of a round the demand is known.
        if of * 2 >= allowed && self.is_over(percent, policy, now) {
            return Step::Over(self.total);
        }
        if of >= allowed {
            self.allowed = if bad {
                self.allowed / 2
            } else {
                self.allowed.saturating_mul(2)
            };
            self.round = Tally::default();
            self.crowd = Crowd::All;
        }
        Step::On
    }

    fn is_over(&self, percent: u32, policy: &BreakerPolicy, now: Instant) -> bool {
        let long = |began: Instant| now.saturating_duration_since(began) >= policy.window;
        let enough =
            self.total.of >= u64::from(policy.min_requests.get()) || self.began.is_some_and(long);
        let all = self.crowd == Crowd::All || self.allowed >= PLENTY;
        enough && all && !self.total.reaches(percent)
    }
}
