//! The windows in which an upstream counts.

use std::fmt;

/// Parts of a window that leave it one by one.
const PARTS: u64 = 60;

/// Slots that a window may reach into: its parts, and one because it may begin within a part.
pub(crate) const SLOTS: usize = 61;

/// The length of time that a capacity is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
}

/// The number of windows back that a large use is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Windows before the present one in which it counts in full.
    pub(crate) full: u32,
    /// Windows over which it then fades to nothing.
    pub(crate) fading: u32,
}

// === impl Window ===

impl Window {
    /// Returns the length in milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// Returns the name for operators and people.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// Returns the length of a slot in milliseconds.
    pub(crate) const fn slot_millis(self) -> u64 {
        self.millis() / PARTS
    }

    /// Returns the number of the slot that a time is in.
    pub(crate) const fn slot(self, at: u64) -> u64 {
        at / self.slot_millis()
    }

    /// Returns the number of the period of this length, counted from 1970, that a time is in.
    pub(crate) const fn period(self, at: u64) -> u64 {
        at / self.millis()
    }

    /// Returns how long a large use is remembered: long enough for bursts that come back within half an hour, short
    /// enough that a quiet evening frees what the afternoon needed.
    pub(crate) const fn memory(self) -> Memory {
        let (full, fading) = match self {
            Self::Minute => (15, 15),
            Self::Hour => (1, 2),
            Self::Day => (1, 1),
        };
        Memory { full, fading }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

// === impl Memory ===

impl Memory {
    /// Returns the number of periods, the present one included, of which something is remembered.
    pub(crate) const fn len(self) -> u32 {
        self.full + self.fading
    }

    /// Returns what is left of a use after so many periods, rounded up.
    pub(crate) fn faded(self, used: u64, age: u32) -> u64 {
        let left = self.len().saturating_sub(age).min(self.fading);
        let (left, fading) = (u128::from(left), u128::from(self.fading.max(1)));
        let faded = (u128::from(used) * left).div_ceil(fading);
        // No more than `used`.
        u64::try_from(faded).unwrap_or(used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_a_whole_part_of_its_window() {
        for window in [Window::Minute, Window::Hour, Window::Day] {
            assert_eq!(window.slot_millis() * PARTS, window.millis(), "{window}");
        }
        assert_eq!(SLOTS as u64, PARTS + 1, "one slot more than parts");
    }

    #[test]
    fn a_use_counts_in_full_and_then_fades_to_nothing() {
        let memory = Window::Minute.memory();
        let faded: Vec<u64> = [0, 15, 16, 22, 29, 30, u32::MAX]
            .map(|age| memory.faded(150, age))
            .to_vec();
        assert_eq!(faded, [150, 150, 140, 80, 10, 0, 0], "minutes later");
        assert_eq!(memory.faded(u64::MAX, 3), u64::MAX, "the largest number");
        assert_eq!(memory.faded(1, 29), 1, "rounded up");
    }
}
