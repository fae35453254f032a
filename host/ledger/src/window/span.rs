//! Times up to now: sliding windows.
//!
//! A sliding window counts in buckets, each a twentieth of its length. A use counts until the end of its bucket is older than the
//! window: never shorter than the window, and at most a twentieth of it longer. So a limit holds in every stretch of that
//! length, and at most 21 buckets count at any moment.

use std::fmt;

use crate::UnixMillis;
use crate::time::MINUTE;

/// Buckets in the length of a window.
const BUCKETS: u64 = 20;

const HOUR: u32 = 60;
const DAY: u32 = 24 * HOUR;

/// The longest window, in minutes.
const LONGEST: u32 = 366 * DAY;

/// The units of a length, in minutes, longest first.
const UNITS: [(u32, &str); 3] = [(DAY, "day"), (HOUR, "hour"), (1, "minute")];

/// The length of a sliding window: from one minute to 366 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    minutes: u32,
}

// === impl Span ===

impl Span {
    /// Creates a length of whole minutes, or returns `None` if it is none or more than 366 days.
    #[must_use]
    pub const fn minutes(minutes: u32) -> Option<Self> {
        match minutes {
            1..=LONGEST => Some(Self { minutes }),
            _ => None,
        }
    }

    /// Returns the length in minutes.
    #[must_use]
    pub const fn whole_minutes(self) -> u32 {
        self.minutes
    }

    /// Parses a length such as `5-hours`. The plural may be left out.
    pub(super) fn parse(code: &str) -> Option<Self> {
        let (count, unit) = code.split_once('-')?;
        let unit = unit.strip_suffix('s').unwrap_or(unit);
        let (minutes, _) = UNITS.into_iter().find(|(_, name)| *name == unit)?;
        let plain = count.bytes().all(|byte| byte.is_ascii_digit());
        let count: u32 = plain.then(|| count.parse().ok())??;
        Self::minutes(count.checked_mul(minutes)?)
    }

    /// Returns the length in milliseconds.
    pub(crate) fn millis(self) -> u64 {
        u64::from(self.minutes) * MINUTE
    }

    /// Returns the length of a bucket in milliseconds.
    pub(crate) fn bucket(self) -> u64 {
        self.millis() / BUCKETS
    }

    /// Returns the first millisecond at which a use at `now` does not count any more, or `None` past the end of time. Uses in one
    /// bucket share it, and those of other buckets have another.
    pub(super) fn forgets_at(self, now: UnixMillis) -> Option<UnixMillis> {
        let end = now.next_multiple(self.bucket())?;
        end.0.checked_add(self.millis()).map(UnixMillis)
    }

    /// Returns the ends of the buckets that count when the newest of them ends at `newest`: this one and those before it.
    pub(crate) fn counting(self, newest: UnixMillis) -> impl Iterator<Item = UnixMillis> {
        let bucket = self.bucket();
        let before = move |count| newest.0.checked_sub(count * bucket).map(UnixMillis);
        (0..=BUCKETS).map_while(before)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS
            .into_iter()
            .find(|(unit, _)| self.minutes.is_multiple_of(*unit));
        let (unit, name) = whole.unwrap_or((1, "minute"));
        let count = self.minutes / unit;
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "{count}-{name}{plural}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_counts_as_long_as_the_window_and_at_most_a_twentieth_longer() {
        for minutes in [1, 7, 60, 300, LONGEST] {
            let span = Span::minutes(minutes).expect("a length");
            for now in [0, 1, 59_999, 1_795_225_386_123] {
                let now = UnixMillis(now);
                let counts = span.forgets_at(now).expect("an end").0 - now.0;
                assert!(counts > span.millis(), "{counts} for {span} at {now:?}");
                assert!(
                    counts <= span.millis() + span.bucket(),
                    "{counts} for {span} at {now:?}"
                );
            }
            assert_eq!(
                span.bucket() * BUCKETS,
                span.millis(),
                "buckets fit the window"
            );
        }
    }

    #[test]
    fn the_buckets_that_count_are_those_whose_end_has_not_come() {
        let span = Span::minutes(1).expect("a length");
        let now = UnixMillis(1_795_225_386_123);
        let newest = span.forgets_at(now).expect("an end");
        let ends: Vec<_> = span.counting(newest).collect();
        assert_eq!(ends.len(), 21, "{ends:?}");
        assert!(ends.iter().all(|end| *end > now), "{ends:?}");
        let next = ends[20].0 - span.bucket();
        assert!(next <= now.0, "the one before them is over");
    }
}
