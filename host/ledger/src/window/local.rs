//! Days, weeks and months in named time zones.
//!
//! The zones are those of the IANA database, which is compiled in: the ledger reads no file, and the same program computes
//! the same end on every machine. A day of 23 or 25 hours is one day, and a day that begins after midnight begins with its
//! first instant.

use std::fmt;
use std::hash::{Hash, Hasher};

use chrono::{
    DateTime, Days, FixedOffset, Months, NaiveDate, NaiveTime, Offset as _, TimeZone as _, Weekday,
};
use chrono::{Datelike as _, MappedLocalTime};
use chrono_tz::Tz;

use super::UnknownCode;
use crate::UnixMillis;
use crate::time::HOUR;

/// A time zone of the IANA database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Tz);

/// A period of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Calendar {
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first day of a month to that of the next.
    Month,
}

/// A period of the calendar in a zone other than UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Local {
    calendar: Calendar,
    zone: Zone,
}

// === impl Zone ===

impl Zone {
    /// Universal time.
    pub const UTC: Self = Self(Tz::UTC);

    /// Parses a name of the IANA database, for example `Europe/Berlin`.
    ///
    /// # Errors
    /// [`UnknownCode`] if there is no such zone.
    pub fn parse(name: &str) -> Result<Self, UnknownCode> {
        name.parse().map(Self).map_err(|_| UnknownCode {
            kind: "time zone",
            code: name.into(),
            known: "those of the IANA database, for example Europe/Berlin",
        })
    }

    /// Returns the name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Returns the offset from UTC at this time, or `None` at the ends of the calendar.
    #[must_use]
    pub fn offset(self, at: UnixMillis) -> Option<FixedOffset> {
        let utc = DateTime::from_timestamp_millis(i64::try_from(at.0).ok()?)?.naive_utc();
        Some(self.0.offset_from_utc_datetime(&utc).fix())
    }

    /// Returns the local date at this time, or `None` at the ends of the calendar.
    #[must_use]
    pub fn date(self, at: UnixMillis) -> Option<NaiveDate> {
        let utc = DateTime::from_timestamp_millis(i64::try_from(at.0).ok()?)?.naive_utc();
        Some(utc.checked_add_offset(self.offset(at)?)?.date())
    }

    /// Returns the first instant of a date, or `None` at the ends of the calendar.
    #[must_use]
    pub fn start(self, date: NaiveDate) -> Option<UnixMillis> {
        self.start_of(date, UnixMillis(0))
    }

    /// Returns the first instant of a date after `now`, or `None` at the ends of the calendar.
    fn start_of(self, date: NaiveDate, now: UnixMillis) -> Option<UnixMillis> {
        let midnight = date.and_time(NaiveTime::MIN);
        let millis = |at: DateTime<Tz>| u64::try_from(at.timestamp_millis()).ok().map(UnixMillis);
        match self.0.from_local_datetime(&midnight) {
            MappedLocalTime::Single(start) => millis(start),
            // Clocks that are set back past midnight show it twice.
            MappedLocalTime::Ambiguous(first, second) => millis(first)
                .filter(|first| *first > now)
                .or(millis(second)),
            MappedLocalTime::None => {
                let there = u64::try_from(midnight.and_utc().timestamp_millis()).ok()?;
                self.first_instant(date, there)
            }
        }
    }

    /// Returns the first instant of a date whose midnight is left out, because clocks are set forward over it. No zone is more
    /// than 26 hours from UTC.
    fn first_instant(self, date: NaiveDate, midnight_in_utc: u64) -> Option<UnixMillis> {
        let mut before = midnight_in_utc.saturating_sub(26 * HOUR);
        let mut after = midnight_in_utc.checked_add(26 * HOUR)?;
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if self.date(UnixMillis(middle))? < date {
                before = middle;
            } else {
                after = middle;
            }
        }
        Some(UnixMillis(after))
    }
}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

// === impl Calendar ===

impl Calendar {
    /// All periods.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    pub(super) fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.code() == code)
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// Returns the first date of the next period, or `None` at the end of the calendar.
    fn next(self, date: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Day => date.succ_opt(),
            Self::Week => {
                let passed = date.weekday().days_since(Weekday::Mon);
                date.checked_add_days(Days::new(7 - u64::from(passed)))
            }
            Self::Month => date.with_day(1)?.checked_add_months(Months::new(1)),
        }
    }
}

// === impl Local ===

impl Local {
    /// Creates a period in a zone, or returns `None` for UTC, whose periods are windows of their own.
    pub(super) fn new(calendar: Calendar, zone: Zone) -> Option<Self> {
        (zone != Zone::UTC).then_some(Self { calendar, zone })
    }

    /// Returns the period of the calendar.
    #[must_use]
    pub const fn calendar(self) -> Calendar {
        self.calendar
    }

    /// Returns the zone.
    #[must_use]
    pub const fn zone(self) -> Zone {
        self.zone
    }

    /// Returns the start of the next period, which is after `now`, or `None` at the end of the calendar.
    pub(super) fn next_start(self, now: UnixMillis) -> Option<UnixMillis> {
        let mut date = self.calendar.next(self.zone.date(now)?)?;
        loop {
            let start = self.zone.start_of(date, now)?;
            if start > now {
                return Some(start);
            }
            date = self.calendar.next(date)?;
        }
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.calendar.code(), self.zone.name())
    }
}

#[cfg(test)]
mod tests;
