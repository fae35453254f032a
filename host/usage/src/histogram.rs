//! A histogram of durations in whole milliseconds, with four slots for each power of two: a percentile is less than a
//! quarter above the truth.

use std::collections::BTreeMap;

/// Counts of durations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram(BTreeMap<u8, u64>);

// === impl Histogram ===

impl Histogram {
    /// Counts a duration.
    pub(crate) fn add(&mut self, millis: u64) {
        let count = self.0.entry(slot(millis)).or_default();
        *count = count.saturating_add(1);
    }

    /// Adds the counts of another histogram.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (slot, more) in &other.0 {
            let count = self.0.entry(*slot).or_default();
            *count = count.saturating_add(*more);
        }
    }

    /// Returns the duration in milliseconds that so many percent of all are not above, rounded up to the end of its slot, or
    /// `None` without durations.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Option<u64> {
        let all: u128 = self.0.values().map(|count| u128::from(*count)).sum();
        let wanted = (all * u128::from(percent)).div_ceil(100).max(1);
        let mut seen = 0;
        self.0.iter().find_map(|(slot, count)| {
            seen += u128::from(*count);
            (seen >= wanted).then(|| end(*slot))
        })
    }

    /// Appends the histogram: the number of slots, and each with its count.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::try_from(self.0.len()).unwrap_or(u8::MAX));
        for (slot, count) in self.0.iter().take(usize::from(u8::MAX)) {
            out.push(*slot);
            let mut rest = *count;
            while rest >= 0x80 {
                out.push(rest.to_le_bytes()[0] | 0x80);
                rest >>= 7;
            }
            out.push(rest.to_le_bytes()[0]);
        }
    }

    /// Reads a histogram from the front of `bytes`. What is damaged counts as nothing.
    pub(crate) fn read(bytes: &mut &[u8]) -> Self {
        Self::try_read(bytes).unwrap_or_default()
    }

    fn try_read(bytes: &mut &[u8]) -> Option<Self> {
        let mut read = Self::default();
        for _ in 0..take(bytes)? {
            let slot = take(bytes)?;
            let (mut count, mut shift) = (0_u64, 0);
            loop {
                let byte = take(bytes)?;
                count |= u64::from(byte & 0x7f).checked_shl(shift)?;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            read.0.insert(slot, count);
        }
        Some(read)
    }
}

fn take(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

/// Returns the slot of a duration: durations up to seven milliseconds have one each.
fn slot(millis: u64) -> u8 {
    if millis < 4 {
        return millis.to_le_bytes()[0];
    }
    let power = millis.ilog2();
    let quarter = (millis >> (power - 2)) & 3;
    u8::try_from(u64::from(power - 1) * 4 + quarter).unwrap_or(u8::MAX)
}

/// Returns the longest duration of a slot.
fn end(slot: u8) -> u64 {
    if slot < 4 {
        return u64::from(slot);
    }
    let (power, quarter) = (u32::from(slot / 4) + 1, u64::from(slot % 4));
    let start = (4 + quarter).checked_shl(power - 2).unwrap_or(u64::MAX);
    start.saturating_add((1_u64 << (power - 2).min(63)) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_in_a_slot_that_ends_less_than_a_quarter_above_it() {
        for millis in (0..5_000)
            .chain((0..64).map(|power| 1 << power))
            .chain([u64::MAX])
        {
            let end = end(slot(millis));
            assert!(end >= millis, "{millis} is in a slot that ends at {end}");
            assert!(end - millis <= millis / 4, "{millis} ends at {end}");
        }
    }

    #[test]
    fn a_percentile_is_that_of_the_sorted_durations() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(50), None, "of nothing");
        (1..=100).for_each(|millis| histogram.add(millis));
        assert_eq!(histogram.percentile(5), Some(5), "small ones are exact");
        assert_eq!(
            histogram.percentile(50),
            Some(55),
            "50 is in the slot 48..=55"
        );
        assert_eq!(histogram.percentile(100), Some(111), "100 is in 96..=111");
    }

    #[test]
    fn a_histogram_is_read_back_as_it_was_written() {
        let mut histogram = Histogram::default();
        for millis in [0, 1, 900, 900, 70_000] {
            histogram.add(millis);
        }
        (0..1_000).for_each(|_| histogram.add(12));
        let mut bytes = Vec::new();
        histogram.write(&mut bytes);
        Histogram::default().write(&mut bytes);
        let mut rest = bytes.as_slice();
        assert_eq!(Histogram::read(&mut rest), histogram, "the first");
        assert_eq!(
            Histogram::read(&mut rest),
            Histogram::default(),
            "the second"
        );
        assert!(rest.is_empty(), "and no more");
        assert_eq!(
            Histogram::read(&mut &bytes[..3]),
            Histogram::default(),
            "a damaged one is empty"
        );
    }
}
