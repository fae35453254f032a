//! Clocks that are wrong.
//!
//! AWS refuses a signature whose time is more than five minutes from its own. It then says only that the signature is invalid or
//! expired, so the clocks are compared by the `date` of that answer.

use std::fmt;
use std::time::{Duration, SystemTime};

/// The least difference that counts: below AWS's five minutes, because the answer took its time.
const LEAST: Duration = Duration::from_secs(4 * 60);

/// Names of errors that a wrong clock causes, among other things.
const NAMES: [&str; 5] = [
    "InvalidSignatureException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "InvalidSignature",
];

/// The difference between this machine's clock and AWS's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skew {
    /// The clock of this machine is ahead.
    Ahead(Duration),
    /// The clock of this machine is behind.
    Behind(Duration),
}

// === impl Skew ===

impl Skew {
    /// Recognises a wrong clock as the cause of an error: its name ([`crate::Fault::name`]), the `date` of the answer, and this
    /// machine's time.
    pub fn of(name: &str, date: Option<&str>, now: SystemTime) -> Option<Self> {
        if !NAMES.contains(&name) {
            return None;
        }
        let theirs = httpdate::parse_http_date(date?.trim()).ok()?;
        let skew = match now.duration_since(theirs) {
            Ok(ahead) => Self::Ahead(ahead),
            Err(behind) => Self::Behind(behind.duration()),
        };
        (skew.amount() >= LEAST).then_some(skew)
    }

    /// Returns the difference.
    pub fn amount(&self) -> Duration {
        match self {
            Self::Ahead(amount) | Self::Behind(amount) => *amount,
        }
    }

    /// Returns AWS's time at this machine's time `now`, for a signature that AWS accepts.
    pub fn corrected(&self, now: SystemTime) -> Option<SystemTime> {
        match self {
            Self::Ahead(amount) => now.checked_sub(*amount),
            Self::Behind(amount) => now.checked_add(*amount),
        }
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self {
            Self::Ahead(_) => "ahead of",
            Self::Behind(_) => "behind",
        };
        let seconds = self.amount().as_secs();
        write!(
            f,
            "this machine's clock is {seconds} s {side} AWS's, which refuses signatures more than 300 s off: set the clock"
        )
    }
}

#[cfg(test)]
mod tests;
