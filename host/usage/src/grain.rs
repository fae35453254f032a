//! Lengths of time that sums are kept by. Days and months are those of a time zone, and hours are counted from the beginning of its
//! day, so that every longer length consists of whole shorter ones, however clocks are set.

use chrono::{Datelike as _, Months, NaiveDate};
use witgate_ledger::{UnixMillis, Zone};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Days from the year 1 to 1970.
const DAYS_BEFORE_1970: i64 = 719_163;

/// A length of time. Its buckets are numbered from 1970, so that a later one has a larger number. Times before 1970 count as its
/// beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grain {
    /// A minute.
    Minute,
    /// An hour. Its number is that of its first minute. The last one of a day may be shorter where clocks are set by half an hour.
    Hour,
    /// A day.
    Day,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
}

// === impl Grain ===

impl Grain {
    /// All grains, from the shortest.
    pub const ALL: [Self; 5] = [Self::Minute, Self::Hour, Self::Day, Self::Month, Self::Year];

    /// Returns the number in the database.
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Minute => 0,
            Self::Hour => 1,
            Self::Day => 2,
            Self::Month => 3,
            Self::Year => 4,
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
            Self::Year => "year",
        }
    }

    /// Returns the grain with a name, or `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grain| grain.name() == name)
    }

    /// Returns the number of the bucket that a time in Unix milliseconds falls into.
    #[must_use]
    pub fn bucket(self, zone: Zone, unix_ms: i64) -> i64 {
        match self {
            Self::Minute => unix_ms.max(0).div_euclid(MINUTE_MS),
            Self::Hour => {
                let day = day_start(zone, unix_ms);
                let hours = (unix_ms.max(0) - day).div_euclid(HOUR_MS);
                (day + hours * HOUR_MS).div_euclid(MINUTE_MS)
            }
            Self::Day => date(zone, unix_ms).map_or(0, |date| {
                i64::from(date.num_days_from_ce()) - DAYS_BEFORE_1970
            }),
            Self::Month => date(zone, unix_ms).map_or(0, |date| {
                (i64::from(date.year()) - 1970) * 12 + i64::from(date.month0())
            }),
            Self::Year => date(zone, unix_ms).map_or(0, |date| i64::from(date.year()) - 1970),
        }
    }

    /// Returns the time at which a bucket begins, in Unix milliseconds.
    #[must_use]
    pub fn start(self, zone: Zone, bucket: i64) -> i64 {
        let date = match self {
            Self::Minute | Self::Hour => return bucket.saturating_mul(MINUTE_MS),
            Self::Day => i32::try_from(bucket.saturating_add(DAYS_BEFORE_1970))
                .ok()
                .and_then(NaiveDate::from_num_days_from_ce_opt),
            Self::Month => u32::try_from(bucket)
                .ok()
                .and_then(|months| NaiveDate::default().checked_add_months(Months::new(months))),
            Self::Year => i32::try_from(bucket.saturating_add(1970))
                .ok()
                .and_then(|year| NaiveDate::from_ymd_opt(year, 1, 1)),
        };
        date.and_then(|date| start(zone, date)).unwrap_or(i64::MAX)
    }

    /// Returns the time, rounded down to the beginning of a bucket.
    #[must_use]
    pub fn floor(self, zone: Zone, unix_ms: i64) -> i64 {
        self.start(zone, self.bucket(zone, unix_ms))
    }

    /// Returns the time, rounded up to the beginning of a bucket.
    #[must_use]
    pub fn ceiling(self, zone: Zone, unix_ms: i64) -> i64 {
        let floor = self.floor(zone, unix_ms);
        if floor >= unix_ms {
            return floor;
        }
        match self {
            Self::Minute => floor.saturating_add(MINUTE_MS),
            // The next day may begin before a whole hour has passed.
            Self::Hour => floor
                .saturating_add(HOUR_MS)
                .min(Self::Day.ceiling(zone, unix_ms)),
            Self::Day | Self::Month | Self::Year => {
                self.start(zone, self.bucket(zone, unix_ms) + 1)
            }
        }
    }
}

/// Returns the local date at a time, or `None` at the end of the calendar.
pub(crate) fn date(zone: Zone, unix_ms: i64) -> Option<NaiveDate> {
    zone.date(UnixMillis(u64::try_from(unix_ms.max(0)).ok()?))
}

/// Returns the first instant of a local date in Unix milliseconds, or `None` at the ends of the calendar.
pub(crate) fn start(zone: Zone, date: NaiveDate) -> Option<i64> {
    i64::try_from(zone.start(date)?.0).ok()
}

/// Returns the beginning of the local day at a time. East of Greenwich the first one begins before 1970, and counts from there.
fn day_start(zone: Zone, unix_ms: i64) -> i64 {
    let start = date(zone, unix_ms).and_then(|date| start(zone, date));
    start.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn at(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text)
            .unwrap()
            .timestamp_millis()
    }

    #[test]
    fn buckets_begin_where_the_calendar_of_the_zone_says() {
        let time = at("2026-02-28T23:59:59.999Z");
        for (zone, grain, start, end) in [
            (
                "UTC",
                Grain::Minute,
                "2026-02-28T23:59:00Z",
                "2026-03-01T00:00:00Z",
            ),
            (
                "UTC",
                Grain::Hour,
                "2026-02-28T23:00:00Z",
                "2026-03-01T00:00:00Z",
            ),
            (
                "UTC",
                Grain::Day,
                "2026-02-28T00:00:00Z",
                "2026-03-01T00:00:00Z",
            ),
            (
                "UTC",
                Grain::Month,
                "2026-02-01T00:00:00Z",
                "2026-03-01T00:00:00Z",
            ),
            (
                "Europe/Berlin",
                Grain::Day,
                "2026-03-01T00:00:00+01:00",
                "2026-03-02T00:00:00+01:00",
            ),
            (
                "Europe/Berlin",
                Grain::Month,
                "2026-03-01T00:00:00+01:00",
                "2026-04-01T00:00:00+02:00",
            ),
            (
                "Asia/Kolkata",
                Grain::Hour,
                "2026-03-01T05:00:00+05:30",
                "2026-03-01T06:00:00+05:30",
            ),
            (
                "America/New_York",
                Grain::Day,
                "2026-02-28T00:00:00-05:00",
                "2026-03-01T00:00:00-05:00",
            ),
        ] {
            let zone = Zone::parse(zone).unwrap();
            let told = format!("the {grain:?} in {}", zone.name());
            assert_eq!(
                grain.floor(zone, time),
                at(start),
                "the beginning of {told}"
            );
            assert_eq!(grain.ceiling(zone, time), at(end), "the end of {told}");
            let begun = grain.ceiling(zone, at(start));
            assert_eq!(begun, at(start), "a beginning is no further: {told}");
        }
        assert_eq!(
            Grain::Month.bucket(Zone::UTC, 0),
            0,
            "months count from 1970"
        );
    }

    #[test]
    fn every_length_consists_of_whole_shorter_ones_when_clocks_are_set() {
        for (zone, from, days, hours) in [
            // Clocks go forward, back, by half an hour, over midnight, and over a whole day.
            ("Europe/Berlin", "2026-03-28T23:00:00Z", 1, 23),
            ("Europe/Berlin", "2026-10-24T22:00:00Z", 1, 25),
            ("Australia/Lord_Howe", "2026-04-04T13:00:00Z", 1, 25),
            ("America/Sao_Paulo", "2018-11-04T03:00:00Z", 1, 23),
            ("America/Havana", "2025-11-02T04:00:00Z", 1, 25),
            ("Pacific/Apia", "2011-12-29T10:00:00Z", 2, 48),
        ] {
            let zone = Zone::parse(zone).unwrap();
            let (mut day, name) = (at(from), zone.name());
            assert_eq!(Grain::Day.floor(zone, day), day, "{name}: a day begins");
            let (mut seen, mut hour) = (0, day);
            for _ in 0..days {
                day = Grain::Day.ceiling(zone, day + 1);
                while hour < day {
                    assert_eq!(Grain::Hour.floor(zone, hour), hour, "{name}: hour {seen}");
                    let last = Grain::Hour.floor(zone, hour + HOUR_MS / 2 - 1);
                    assert_eq!(last, hour, "{name}: half of hour {seen}");
                    hour = Grain::Hour.ceiling(zone, hour + 1);
                    seen += 1;
                }
                assert_eq!(hour, day, "{name}: the day ends with an hour");
            }
            assert_eq!(seen, hours, "{name}: the hours of {days} days");
        }
    }
}
