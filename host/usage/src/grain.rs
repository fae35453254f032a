//! Lengths of time that sums are kept by, all aligned to UTC.

use chrono::{DateTime, Datelike as _, NaiveDate};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A length of time. Its buckets are numbered from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grain {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A calendar month.
    Month,
}

// === impl Grain ===

impl Grain {
    /// All grains, from the shortest.
    pub const ALL: [Self; 4] = [Self::Minute, Self::Hour, Self::Day, Self::Month];

    /// Returns the number in the database.
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Minute => 0,
            Self::Hour => 1,
            Self::Day => 2,
            Self::Month => 3,
        }
    }

    /// Returns the name on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// Returns the grain with a name, or `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grain| grain.name() == name)
    }

    /// Returns the number of the bucket that a time in Unix milliseconds falls into.
    #[must_use]
    pub fn bucket(self, unix_ms: i64) -> i64 {
        match self {
            Self::Minute => unix_ms.div_euclid(MINUTE_MS),
            Self::Hour => unix_ms.div_euclid(HOUR_MS),
            Self::Day => unix_ms.div_euclid(DAY_MS),
            Self::Month => DateTime::from_timestamp_millis(unix_ms).map_or(0, |time| {
                (i64::from(time.year()) - 1970) * 12 + i64::from(time.month0())
            }),
        }
    }

    /// Returns the time at which a bucket begins, in Unix milliseconds.
    #[must_use]
    pub fn start(self, bucket: i64) -> i64 {
        let length = match self {
            Self::Minute => MINUTE_MS,
            Self::Hour => HOUR_MS,
            Self::Day => DAY_MS,
            Self::Month => return month_start(bucket),
        };
        bucket.saturating_mul(length)
    }

    /// Returns the time, rounded down to the beginning of a bucket.
    #[must_use]
    pub fn floor(self, unix_ms: i64) -> i64 {
        self.start(self.bucket(unix_ms))
    }

    /// Returns the time, rounded up to the beginning of a bucket.
    #[must_use]
    pub fn ceiling(self, unix_ms: i64) -> i64 {
        let floor = self.floor(unix_ms);
        if floor == unix_ms {
            floor
        } else {
            self.start(self.bucket(unix_ms) + 1)
        }
    }
}

fn month_start(bucket: i64) -> i64 {
    let year = i32::try_from(1970 + bucket.div_euclid(12)).unwrap_or(i32::MAX);
    let month = u32::try_from(bucket.rem_euclid(12)).unwrap_or(0) + 1;
    NaiveDate::from_ymd_opt(year, month, 1)
        .and_then(|date| date.and_hms_opt(0, 0, 0))
        .map_or(i64::MAX, |time| time.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_begin_where_the_calendar_says() {
        let time = 1_772_323_199_999; // 2026-02-28T23:59:59.999Z
        for (grain, start, end) in [
            (Grain::Minute, 1_772_323_140_000, 1_772_323_200_000),
            (Grain::Hour, 1_772_319_600_000, 1_772_323_200_000),
            (Grain::Day, 1_772_236_800_000, 1_772_323_200_000),
            (Grain::Month, 1_769_904_000_000, 1_772_323_200_000),
        ] {
            assert_eq!(grain.floor(time), start, "the beginning of the {grain:?}");
            assert_eq!(grain.ceiling(time), end, "the end of the {grain:?}");
            assert_eq!(grain.ceiling(start), start, "a beginning is no further");
        }
        assert_eq!(Grain::Month.bucket(0), 0, "months count from 1970");
        assert_eq!(Grain::Month.bucket(-1), -1, "before it, too");
    }
}
