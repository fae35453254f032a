//! Time limits on an upstream's answer, with the party that chose them.
//!
//! Only a limit that the operator set for the upstream is evidence against it. A limit of a caller, a plan, or the
//! exchange as a whole is not.

use std::fmt;
use std::time::Duration;

/// A limit on the time to the head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The time.
    pub after: Duration,
    /// The party that chose it.
    pub chosen_by: ChosenBy,
}

/// The party that chose a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChosenBy {
    /// The operator, in the upstream's own configuration.
    Upstream,
    /// A plugin, in its plan.
    Plan,
    /// The caller, in the envelope of the request.
    Caller,
}

// === impl Limit ===

impl Limit {
    /// Creates the upstream's own limit.
    pub const fn of_upstream(after: Duration) -> Self {
        Self {
            after,
            chosen_by: ChosenBy::Upstream,
        }
    }

    /// Returns the shorter of two limits. If they are equal, the upstream's own counts.
    pub fn shortened(self, after: Option<Duration>, chosen_by: ChosenBy) -> Self {
        match after {
            Some(after) if after < self.after => Self { after, chosen_by },
            _ => self,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.after;
        match self.chosen_by {
            ChosenBy::Upstream => write!(f, "within {after:?}"),
            ChosenBy::Plan => write!(f, "within the {after:?} that the plan allows"),
            ChosenBy::Caller => write!(f, "within the {after:?} that the request allows"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_shortest_limit_holds_and_an_equal_one_is_still_the_upstreams() {
        let own = Limit::of_upstream(SECOND);
        let shorter = own.shortened(Some(SECOND / 2), ChosenBy::Caller);
        assert_eq!(shorter.chosen_by, ChosenBy::Caller, "half a second");
        for not_shorter in [None, Some(SECOND), Some(SECOND * 2)] {
            assert_eq!(
                own.shortened(not_shorter, ChosenBy::Plan),
                own,
                "{not_shorter:?} shortens nothing"
            );
        }
    }
}
