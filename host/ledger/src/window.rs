//! The periods that limits apply to.

use serde::{Deserialize, Serialize};

use crate::UnixMillis;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A period that a limit applies to, aligned in UTC: a day starts at midnight, a month on its first day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Window {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// From midnight to midnight.
    Day,
    /// A calendar month.
    Month,
    /// Unlimited: it never resets.
    Total,
}

/// A code of the plugin contract that this ledger does not know. Either the plugin is wrong or this host is too old for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} `{code}`; known are {known}")]
pub struct UnknownCode {
    /// The kind of code expected: `window` or `unit`.
    pub kind: &'static str,
    /// The code received.
    pub code: Box<str>,
    /// The known codes.
    pub known: &'static str,
}

// === impl Window ===

impl Window {
    /// All windows, shortest first.
    pub const ALL: [Self; 5] = [
        Self::Minute,
        Self::Hour,
        Self::Day,
        Self::Month,
        Self::Total,
    ];

    /// Parses a code of the plugin contract (`charge.window`).
    ///
    /// # Errors
    /// [`UnknownCode`] unless it is `minute`, `hour`, `day`, `month` or `total`.
    pub fn parse(code: &str) -> Result<Self, UnknownCode> {
        Self::ALL
            .into_iter()
            .find(|window| window.code() == code)
            .ok_or_else(|| UnknownCode {
                kind: "window",
                code: code.into(),
                known: "minute, hour, day, month, total",
            })
    }

    /// Returns the code of the plugin contract.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// Returns the first millisecond after the period that contains `now`, or `None` if the period never ends.
    #[must_use]
    pub fn resets_at(self, now: UnixMillis) -> Option<UnixMillis> {
        let next = |length: u64| {
            let next = (now.0 / length).checked_add(1)?.checked_mul(length)?;
            Some(UnixMillis(next))
        };
        match self {
            Self::Minute => next(MINUTE),
            Self::Hour => next(HOUR),
            Self::Day => next(DAY),
            Self::Month => now.start_of_next_month(),
            Self::Total => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_they_are_written() {
        for window in Window::ALL {
            assert_eq!(
                Window::parse(window.code()),
                Ok(window),
                "a code reads back"
            );
        }
        let unknown = Window::parse("Month").unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "unknown window `Month`; known are minute, hour, day, month, total",
            "codes are lower case, and the error says what is known"
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
            // 2026-11-21T01:43:06Z
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
        for window in Window::ALL {
            assert_eq!(
                window.resets_at(UnixMillis(u64::MAX)),
                None,
                "{window:?} at the last millisecond"
            );
        }
    }
}
