//! The end of credentials, and the time to renew them.

use std::time::{Duration, SystemTime};

/// The time before the end at which renewal begins. By AWS's documentation an instance has new keys at least that early.
const AHEAD: Duration = Duration::from_secs(5 * 60);
/// The time before the end at which the keys are no longer used, as a request takes its time.
const MARGIN: Duration = Duration::from_secs(30);

/// The end of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    end: Option<SystemTime>,
}

/// The state of credentials at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Usable.
    Fresh,
    /// Usable, and to be renewed meanwhile.
    Due,
    /// To be renewed first.
    Ended,
}

// === impl Lease ===

impl Lease {
    /// Returns the lease of credentials with this end, or without one.
    pub fn until(end: Option<SystemTime>) -> Self {
        Self { end }
    }

    /// Returns the end; `None` if the credentials do not end.
    pub fn end(&self) -> Option<SystemTime> {
        self.end
    }

    /// Returns the state at the time `now`.
    pub fn state(&self, now: SystemTime) -> State {
        let Some(end) = self.end else {
            return State::Fresh;
        };
        match end.duration_since(now) {
            Ok(left) if left > AHEAD => State::Fresh,
            Ok(left) if left > MARGIN => State::Due,
            _ => State::Ended,
        }
    }

    /// Returns the time to wait before renewal is due; `None` if the credentials do not end.
    pub fn wait(&self, now: SystemTime) -> Option<Duration> {
        let left = self.end?.duration_since(now).unwrap_or_default();
        Some(left.saturating_sub(AHEAD))
    }
}
