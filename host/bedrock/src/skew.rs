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
pub struct Skew(pub witgate_dialect::Skew);

// === impl Skew ===

impl Skew {
    /// Recognises a wrong clock as the cause of an error: its name ([`crate::Fault::name`]), the `date` of the answer, and this
    /// machine's time.
    pub fn of(name: &str, date: Option<&str>, now: SystemTime) -> Option<Self> {
        if !NAMES.contains(&name) {
            return None;
        }
        witgate_dialect::Skew::between(date, now, LEAST).map(Self)
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, which refuses signatures more than 300 s off: set the clock",
            self.0.said("AWS")
        )
    }
}

#[cfg(test)]
mod tests;
