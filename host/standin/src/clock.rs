//! Dates as the headers want them: RFC 3339 for the rate limits, RFC 9110 for `date`.

use std::time::{SystemTime, UNIX_EPOCH};

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A moment in UTC, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    seconds: u64,
}

struct Civil {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
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

    /// The moment that many seconds after 1970.
    pub(super) const fn at(seconds: u64) -> Self {
        Self { seconds }
    }

    /// So many seconds later.
    pub(super) const fn after(self, seconds: u64) -> Self {
        Self {
            seconds: self.seconds + seconds,
        }
    }

    /// The start of the next whole minute, when a per-minute limit is full again.
    pub(super) const fn next_minute(self) -> Self {
        Self {
            seconds: (self.seconds / 60 + 1) * 60,
        }
    }

    pub(super) fn rfc3339(self) -> String {
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self.civil();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    pub(super) fn http_date(self) -> String {
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self.civil();
        let weekday = name(&WEEKDAYS, self.seconds / 86_400 % 7);
        let month = name(&MONTHS, month - 1);
        format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }

    /// Days to a date by counting from 0000-03-01, so that the leap day is the last of its year.
    const fn civil(self) -> Civil {
        let days = self.seconds / 86_400 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        Civil {
            year: era * 400 + year_of_era + (month <= 2) as u64,
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: self.seconds / 3_600 % 24,
            minute: self.seconds / 60 % 60,
            second: self.seconds % 60,
        }
    }
}

fn name(names: &[&'static str], index: u64) -> &'static str {
    usize::try_from(index)
        .ok()
        .and_then(|index| names.get(index))
        .copied()
        .unwrap_or_default()
}
