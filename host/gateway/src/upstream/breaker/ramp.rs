//! The way back of an upstream: requests are let in a few at a time, and more with each good round.
//!
//! It begins with one trial. A round is over when as many trials have ended as may be under way; a good one doubles that
//! number, a bad one halves it, and a bad round of one ends the ramp. It is over when enough has been seen and nobody had
//! to be turned away.

use std::time::{Duration, Instant};

use super::{Leave, Tally, Word};
use crate::config::BreakerPolicy;

/// Trials under way that let in whoever comes.
const PLENTY: u32 = 4096;

/// One ramp.
#[derive(Debug)]
pub(super) struct Ramp {
    /// Tells its trials from those of an earlier one.
    number: u64,
    /// Trials that may be under way.
    allowed: u32,
    /// Trials that are.
    out: u32,
    /// When the last one was let in.
    last: Option<Instant>,
    /// When the first one went well.
    began: Option<Instant>,
    /// Those of the present round that have ended.
    round: Tally,
    /// Those of all rounds.
    total: Tally,
    crowd: Crowd,
}

/// Whether there were more requests than may be trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crowd {
    All,
    TurnedAway,
}

/// What the end of a trial comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The ramp goes on.
    On,
    /// The upstream is to be left alone again.
    Failed,
    /// The ramp is over, with so many failures.
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
    /// The ramp after this one.
    pub(super) fn next(&self) -> Self {
        Self {
            number: self.number.wrapping_add(1),
            ..Self::default()
        }
    }

    /// Whether it is the one of this number.
    pub(super) fn is(&self, number: u64) -> bool {
        self.number == number
    }

    /// Whether one more trial may be let in. Trials that have been silent for `patience` hold up nobody: an answer may take
    /// minutes.
    pub(super) fn has_room(&self, now: Instant, patience: Duration) -> bool {
        let silent = || {
            self.last
                .is_none_or(|last| now.saturating_duration_since(last) >= patience)
        };
        self.out < self.allowed || silent()
    }

    /// Lets a trial in, if there is room.
    pub(super) fn enter(&mut self, now: Instant, patience: Duration) -> Option<Leave> {
        if !self.has_room(now, patience) {
            self.crowd = Crowd::TurnedAway;
            return None;
        }
        self.out = self.out.saturating_add(1);
        self.last = Some(now);
        Some(Leave::Trial(self.number))
    }

    /// Takes a trial back that taught nothing.
    pub(super) fn unused(&mut self) {
        self.out = self.out.saturating_sub(1);
    }

    /// Counts a trial that ended. `percent` failures in a hundred are too many.
    pub(super) fn ended(
        &mut self,
        word: Word,
        percent: u32,
        policy: &BreakerPolicy,
        now: Instant,
    ) -> Step {
        self.out = self.out.saturating_sub(1);
        let failed = u64::from(word != Word::Good);
        for tally in [&mut self.round, &mut self.total] {
            tally.of += 1;
            tally.failed += failed;
        }
        if word == Word::Good {
            self.began.get_or_insert(now);
        }
        let (of, allowed) = (self.round.of, u64::from(self.allowed));
        let bad = self.round.reaches(percent);
        if of >= allowed && bad && self.allowed == 1 {
            return Step::Failed;
        }
        // By the middle of a round a crowd has shown.
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
