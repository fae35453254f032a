//! Points in time, and the ends of calendar months.

use chrono::{DateTime, Datelike, Months, NaiveTime};
use serde::{Deserialize, Serialize};

pub(crate) const MINUTE: u64 = 60_000;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;

/// From Monday, 1969-12-29, to the beginning of time.
const WEEK_BEFORE: u64 = 3 * DAY;

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct UnixMillis(pub u64);

// === impl UnixMillis ===

impl UnixMillis {
    /// Returns the next multiple of a length, or `None` past the end of time.
    pub(crate) fn next_multiple(self, length: u64) -> Option<Self> {
        let next = (self.0 / length).checked_add(1)?.checked_mul(length)?;
        Some(Self(next))
    }

    /// Returns the first millisecond of the next Monday in UTC, or `None` past the end of time.
    pub(crate) fn start_of_next_week(self) -> Option<Self> {
        let since_monday = Self(self.0.checked_add(WEEK_BEFORE)?);
        let next = since_monday.next_multiple(7 * DAY)?;
        Some(Self(next.0 - WEEK_BEFORE))
    }

    /// Returns the first millisecond of the next calendar month in UTC, or `None` past the calendar's last year, 262142.
    pub(crate) fn start_of_next_month(self) -> Option<Self> {
        let now = DateTime::from_timestamp_millis(i64::try_from(self.0).ok()?)?;
        let first = now.date_naive().with_day(1)?;
        let next = first.checked_add_months(Months::new(1))?;
        let start = next.and_time(NaiveTime::MIN).and_utc();
        u64::try_from(start.timestamp_millis()).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(day: u64) -> UnixMillis {
        UnixMillis(day * 86_400_000)
    }

    /// Walks the calendar by its rule, month for month.
    #[test]
    fn eight_centuries_of_months_follow_the_gregorian_rule() {
        let mut day = 0;
        for year in 1970..2770 {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let february = if leap { 29 } else { 28 };
            for (month, days) in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
                .into_iter()
                .enumerate()
            {
                for inside in [0, 1, days / 2, days - 1] {
                    assert_eq!(
                        at(day + inside).start_of_next_month(),
                        Some(at(day + days)),
                        "day {inside} of month {month} of {year}, counted from 0"
                    );
                }
                day += days;
            }
        }
    }

    #[test]
    fn the_end_of_the_calendar_is_no_panic() {
        for now in [
            UnixMillis(u64::MAX),
            UnixMillis(i64::MAX.cast_unsigned()),
            // The last month that the calendar knows.
            UnixMillis(8_210_266_876_799_999),
        ] {
            assert_eq!(now.start_of_next_month(), None, "{now:?}");
        }
    }
}
