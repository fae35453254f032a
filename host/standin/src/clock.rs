//! Times in the API's format (RFC 3339).

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};

/// A moment in UTC, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    seconds: u64,
}

// === impl Moment ===

impl Moment {
    pub(super) fn now() -> Self {
        Self::at(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        )
    }

    /// Returns the moment `seconds` after 1970.
    pub(super) const fn at(seconds: u64) -> Self {
        Self { seconds }
    }

    /// Returns the moment `seconds` later.
    pub(super) const fn after(self, seconds: u64) -> Self {
        Self {
            seconds: self.seconds + seconds,
        }
    }

    /// Returns the start of the next minute, at which limits per minute reset.
    pub(super) const fn next_minute(self) -> Self {
        Self {
            seconds: (self.seconds / 60 + 1) * 60,
        }
    }

    pub(super) fn rfc3339(self) -> String {
        self.utc().to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    fn utc(self) -> DateTime<Utc> {
        let seconds = i64::try_from(self.seconds).unwrap_or(i64::MAX);
        DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}
