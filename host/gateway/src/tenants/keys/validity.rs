//! The end of a key's validity.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime};
use witgate_ledger::UnixMillis;

use crate::clock::{WholeUnits as _, now};

/// The time until which a credential is valid, or for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Validity(u64);

/// The error of a text that is not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use a time such as `2027-01-31T18:00:00Z`, or a date, which means its beginning in UTC")]
pub struct InvalidTime;

// === impl Validity ===

impl Validity {
    /// Validity without an end.
    pub const FOREVER: Self = Self(u64::MAX);

    /// Returns the validity until a time from now.
    #[must_use]
    pub fn for_the_next(time: Duration) -> Self {
        Self(now().0.saturating_add(time.whole_millis()))
    }

    /// Reads a time of RFC 3339, or a date, which means its beginning in UTC.
    ///
    /// # Errors
    ///
    /// The text is neither, or is before 1970.
    pub fn parse(text: &str) -> Result<Self, InvalidTime> {
        let millis = match DateTime::parse_from_rfc3339(text) {
            Ok(time) => time.timestamp_millis(),
            Err(_) => NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .map_err(|_| InvalidTime)?
                .and_time(NaiveTime::MIN)
                .and_utc()
                .timestamp_millis(),
        };
        u64::try_from(millis).map(Self).map_err(|_| InvalidTime)
    }

    /// Returns the end, or `None` if there is none.
    pub(crate) fn end(self) -> Option<UnixMillis> {
        (self != Self::FOREVER).then_some(UnixMillis(self.0))
    }

    /// Returns whether the end has passed.
    #[must_use]
    pub fn has_ended(self) -> bool {
        self.ended(now()).is_some()
    }

    /// Returns the end if it has passed.
    pub(crate) fn ended(self, now: UnixMillis) -> Option<UnixMillis> {
        (now.0 >= self.0).then_some(UnixMillis(self.0))
    }
}

impl Default for Validity {
    fn default() -> Self {
        Self::FOREVER
    }
}

impl fmt::Display for Validity {
    /// Writes the end as RFC 3339 in UTC, to the second, or `never`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.end().and_then(|end| i64::try_from(end.0).ok());
        match end.and_then(DateTime::from_timestamp_millis) {
            Some(end) => write!(f, "{}", end.format("%Y-%m-%dT%H:%M:%SZ")),
            None => f.write_str("never"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_a_date_is_read_and_anything_else_is_not() {
        let at = |text: &str| Validity::parse(text).map(|validity| validity.to_string());
        for (text, shown) in [
            ("2027-01-31T18:00:00Z", "2027-01-31T18:00:00Z"),
            ("2027-01-31T18:00:00+02:00", "2027-01-31T16:00:00Z"),
            ("2027-01-31", "2027-01-31T00:00:00Z"),
        ] {
            assert_eq!(at(text).as_deref(), Ok(shown), "{text}");
        }
        for text in [
            "",
            "2027-02-30",
            "tomorrow",
            "2027-01-31T18:00:00",
            "1969-12-31",
        ] {
            assert_eq!(at(text), Err(InvalidTime), "{text}");
        }
        assert_eq!(Validity::FOREVER.to_string(), "never", "without an end");
    }
}
