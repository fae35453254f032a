//! Clocks that are wrong.

use std::time::{Duration, SystemTime};

/// The difference between this machine's clock and a service's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skew {
    /// The clock of this machine is ahead.
    Ahead(Duration),
    /// The clock of this machine is behind.
    Behind(Duration),
}

// === impl Skew ===

impl Skew {
    /// Compares this machine's time with the `date` of an answer. Returns `None` below `least`, as an answer takes its time.
    pub fn between(date: Option<&str>, now: SystemTime, least: Duration) -> Option<Self> {
        let theirs = httpdate::parse_http_date(date?.trim()).ok()?;
        let skew = match now.duration_since(theirs) {
            Ok(ahead) => Self::Ahead(ahead),
            Err(behind) => Self::Behind(behind.duration()),
        };
        (skew.amount() >= least).then_some(skew)
    }

    /// Returns the difference.
    pub fn amount(&self) -> Duration {
        match self {
            Self::Ahead(amount) | Self::Behind(amount) => *amount,
        }
    }

    /// Returns the seconds by which the service's clock is ahead of this machine's.
    pub fn ahead(&self) -> i64 {
        let seconds = i64::try_from(self.amount().as_secs()).unwrap_or(i64::MAX);
        match self {
            Self::Ahead(_) => -seconds,
            Self::Behind(_) => seconds,
        }
    }

    /// Returns the service's time at this machine's time `now`.
    pub fn corrected(&self, now: SystemTime) -> Option<SystemTime> {
        match self {
            Self::Ahead(amount) => now.checked_sub(*amount),
            Self::Behind(amount) => now.checked_add(*amount),
        }
    }

    /// Returns the difference in words.
    pub fn said(&self, service: &str) -> String {
        let side = match self {
            Self::Ahead(_) => "ahead of",
            Self::Behind(_) => "behind",
        };
        let seconds = self.amount().as_secs();
        format!("this machine's clock is {seconds} s {side} {service}'s")
    }

    /// Returns the difference and its cure in words.
    pub fn cure(&self, service: &str) -> String {
        format!("{}: set the clock", self.said(service))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_told_from_a_slow_answer() {
        let date = "Mon, 30 Nov 2026 12:00:00 GMT";
        let theirs = httpdate::parse_http_date(date).unwrap();
        let least = Duration::from_secs(60);
        let late = theirs - Duration::from_secs(412);
        let skew = Skew::between(Some(date), late, least).unwrap();
        assert_eq!(
            skew.cure("A cloud"),
            "this machine's clock is 412 s behind A cloud's: set the clock",
            "with the side and the remedy"
        );
        assert_eq!(skew.corrected(late), Some(theirs), "the service's time");
        let near = theirs + Duration::from_secs(59);
        assert_eq!(
            Skew::between(Some(date), near, least),
            None,
            "a slow answer"
        );
        assert_eq!(Skew::between(None, late, least), None, "no date");
    }
}
