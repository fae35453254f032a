//! The periods that limits apply to.

mod local;
mod span;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::UnixMillis;
use crate::time::{DAY, HOUR, MINUTE};

pub use local::{Calendar, Local, Zone};
pub use span::Span;

/// A period that a limit applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// From midnight to midnight, in UTC.
    Day,
    /// From Monday to Monday, in UTC.
    Week,
    /// A calendar month, in UTC.
    Month,
    /// A day, week or month in a named time zone.
    Local(Local),
    /// The time up to now, of this length.
    Last(Span),
    /// Unlimited: it never resets.
    Total,
}

/// A code of the plugin contract that this ledger does not know. Either the plugin is wrong or this host is too old for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} `{code}`; known are {known}")]
pub struct UnknownCode {
    /// The kind of code expected: `window`, `unit` or `time zone`.
    pub kind: &'static str,
    /// The code received.
    pub code: Box<str>,
    /// The known codes.
    pub known: &'static str,
}

// === impl Window ===

impl Window {
    /// The windows whose code is a single word, shortest first.
    pub const WORDS: [Self; 6] = [
        Self::Minute,
        Self::Hour,
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Total,
    ];

    /// Parses a code of the plugin contract (`charge.window`).
    ///
    /// # Errors
    /// [`UnknownCode`] unless it is `minute`, `hour`, `day`, `week`, `month` or `total`, a day, week or month in a zone, such as
    /// `day@Europe/Berlin`, or a time up to now, such as `last-5-hours`.
    pub fn parse(code: &str) -> Result<Self, UnknownCode> {
        if let Some(word) = Self::WORDS
            .into_iter()
            .find(|word| word.word() == Some(code))
        {
            return Ok(word);
        }
        if let Some((calendar, zone)) = code.split_once('@')
            && let Some(calendar) = Calendar::parse(calendar)
        {
            return Ok(Self::local(calendar, Zone::parse(zone)?));
        }
        let span = code.strip_prefix("last-").and_then(Span::parse);
        span.map(Self::Last).ok_or_else(|| UnknownCode {
            kind: "window",
            code: code.into(),
            known: "minute, hour, day, week, month, total, PERIOD@ZONE with day, week or month, and last-N-minutes, -hours or -days up to 366 days",
        })
    }

    /// Returns a day, week or month in a zone.
    #[must_use]
    pub fn local(calendar: Calendar, zone: Zone) -> Self {
        match (Local::new(calendar, zone), calendar) {
            (Some(local), _) => Self::Local(local),
            (None, Calendar::Day) => Self::Day,
            (None, Calendar::Week) => Self::Week,
            (None, Calendar::Month) => Self::Month,
        }
    }

    /// Returns the code if it is a single word, or `None`.
    const fn word(self) -> Option<&'static str> {
        Some(match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
            Self::Local(_) | Self::Last(_) => return None,
        })
    }

    /// Returns the first millisecond at which a use at `now` does not count any more, or `None` if it always will: the start of the
    /// next period, or for a time up to now the moment at which the use is older than that.
    #[must_use]
    pub fn resets_at(self, now: UnixMillis) -> Option<UnixMillis> {
        match self {
            Self::Minute => now.next_multiple(MINUTE),
            Self::Hour => now.next_multiple(HOUR),
            Self::Day => now.next_multiple(DAY),
            Self::Week => now.start_of_next_week(),
            Self::Month => now.start_of_next_month(),
            Self::Local(local) => local.next_start(now),
            Self::Last(span) => span.forgets_at(now),
            Self::Total => None,
        }
    }
}

impl fmt::Display for Window {
    /// Writes the code of the plugin contract.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(local) => local.fmt(f),
            Self::Last(span) => write!(f, "last-{span}"),
            other => f.write_str(other.word().unwrap_or_default()),
        }
    }
}

impl FromStr for Window {
    type Err = UnknownCode;

    fn from_str(code: &str) -> Result<Self, UnknownCode> {
        Self::parse(code)
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::parse(&code).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_they_are_written() {
        let others = [
            "day@Europe/Berlin",
            "week@America/New_York",
            "month@Asia/Kolkata",
            "last-5-hours",
            "last-1-minute",
            "last-30-days",
        ];
        let words = Window::WORDS.map(|word| word.to_string());
        for code in words.iter().map(String::as_str).chain(others) {
            let window = Window::parse(code).expect("a known code");
            assert_eq!(window.to_string(), code, "a code reads back");
            let json = serde_json::to_string(&window).expect("a text");
            assert_eq!(json, format!("\"{code}\""), "and is its own form in JSON");
            assert_eq!(
                serde_json::from_str::<Window>(&json).ok(),
                Some(window),
                "{code} in JSON"
            );
        }
        assert_eq!(
            Window::parse("day@UTC"),
            Ok(Window::Day),
            "one window has one name"
        );
        assert_eq!(
            Window::parse("last-120-minutes").map(|window| window.to_string()),
            Ok("last-2-hours".to_owned()),
            "also if it can be said in two ways"
        );
    }

    #[test]
    fn what_is_no_window_is_told_with_the_known_ones() {
        let unknown = Window::parse("Month").unwrap_err();
        assert!(
            unknown.to_string().starts_with(
                "unknown window `Month`; known are minute, hour, day, week, month, total,"
            ),
            "codes are lower case, and the error says what is known: {unknown}"
        );
        for code in [
            "hour@Europe/Berlin",
            "last-0-hours",
            "last-367-days",
            "last-5-weeks",
            "last--hours",
            "last-hours",
            "last-+5-hours",
            "",
        ] {
            assert!(Window::parse(code).is_err(), "{code}");
        }
        assert_eq!(
            Window::parse("day@Europe/Atlantis")
                .unwrap_err()
                .to_string(),
            "unknown time zone `Europe/Atlantis`; known are those of the IANA database, for example Europe/Berlin",
            "a zone that does not exist"
        );
    }

    #[test]
    fn a_window_resets_at_the_first_millisecond_after_it() {
        let cases = [
            (Window::Minute, 0, 60_000),
            (Window::Minute, 59_999, 60_000),
            (Window::Minute, 60_000, 120_000),
            (Window::Hour, 3_599_999, 3_600_000),
            (Window::Day, 86_400_000, 172_800_000),
            // 1970-01-01 was a Thursday: the first Monday is the fifth.
            (Window::Week, 0, 345_600_000),
            (Window::Week, 345_599_999, 345_600_000),
            (Window::Week, 345_600_000, 950_400_000),
            // 2026-11-21T01:43:06Z, a Saturday.
            (Window::Week, 1_795_225_386_000, 1_795_392_000_000),
            (Window::Month, 1_795_225_386_000, 1_796_083_200_000),
            // 2024-02-28T23:59:59.999Z, 2024-02-29T12:00:00Z: both before 2024-03-01.
            (Window::Month, 1_709_164_799_999, 1_709_251_200_000),
            (Window::Month, 1_709_208_000_000, 1_709_251_200_000),
            // 2023-02-28T23:59:59.999Z, the last of a common year's February.
            (Window::Month, 1_677_628_799_999, 1_677_628_800_000),
            // 2100 has no leap day: 2100-02-28T12:00:00Z is the last of February.
            (Window::Month, 4_107_499_200_000, 4_107_542_400_000),
            // 2027-12-31T23:59:59.999Z, and the first millisecond of 2028.
            (Window::Month, 1_830_297_599_999, 1_830_297_600_000),
            (Window::Month, 1_830_297_600_000, 1_832_976_000_000),
        ];
        for (window, now, resets_at) in cases {
            assert_eq!(
                window.resets_at(UnixMillis(now)),
                Some(UnixMillis(resets_at)),
                "{window:?} at {now}"
            );
        }
        assert_eq!(
            Window::Total.resets_at(UnixMillis(0)),
            None,
            "a total never resets"
        );
    }

    #[test]
    fn a_period_that_would_end_past_the_end_of_time_does_not_end() {
        let others = ["day@Europe/Berlin", "week@Pacific/Apia", "last-366-days"];
        let others = others.map(|code| Window::parse(code).expect("a known code"));
        for window in Window::WORDS.into_iter().chain(others) {
            for now in [u64::MAX, i64::MAX.cast_unsigned()] {
                let end = window.resets_at(UnixMillis(now));
                assert!(end.is_none_or(|end| end.0 > now), "{window:?} at {now}");
            }
            assert_eq!(
                window.resets_at(UnixMillis(u64::MAX)),
                None,
                "{window:?} at the last millisecond"
            );
        }
    }
}
