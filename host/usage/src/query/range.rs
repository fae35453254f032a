//! The buckets that cover a range.

use std::ops::Range;

use witgate_ledger::Zone;

use super::Query;
use crate::grain::Grain;
use crate::retention::Keep;
use crate::series::Detail;

const DAY_MS: i64 = 86_400_000;

/// Buckets of one grain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The grain.
    pub grain: Grain,
    /// Numbers of the buckets.
    pub buckets: Range<i64>,
}

/// The buckets that cover a range, and the time that they cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cover {
    pub(super) from_unix_ms: i64,
    pub(super) to_unix_ms: i64,
    pub(super) parts: Vec<Part>,
}

/// Returns the fewest buckets that cover the range of a query.
pub(super) fn cover(query: &Query, detail: Detail, keep: &Keep, now_unix_ms: i64) -> Cover {
    let kept: &[Grain] = match detail {
        Detail::Without => &Grain::ALL,
        Detail::With => &[Grain::Hour, Grain::Day],
    };
    let longest = query.per.unwrap_or(Grain::Year);
    let mut grains: Vec<_> = kept
        .iter()
        .copied()
        .filter(|grain| *grain <= longest)
        .collect();
    if grains.is_empty() {
        // Shorter ones are not kept with sessions.
        grains = kept.iter().copied().take(1).collect();
    }
    let coarsest = grains.last().copied().unwrap_or(Grain::Day);
    let finest = |time: i64| {
        let of = |grain: &Grain| is_kept(*grain, query.zone, time, detail, keep, now_unix_ms);
        grains.iter().copied().find(of).unwrap_or(coarsest)
    };
    let zone = query.zone;
    let from_unix_ms = finest(query.from_unix_ms).floor(zone, query.from_unix_ms);
    // Nothing is in the future, so that a range up to now takes the whole of the longest bucket that began in it.
    let whole = |grain: &&Grain| grain.floor(zone, now_unix_ms) >= from_unix_ms;
    let end = match query.to_unix_ms >= now_unix_ms {
        true => grains.iter().rev().find(whole).copied(),
        false => None,
    };
    let end = end.unwrap_or_else(|| finest(query.to_unix_ms));
    let to_unix_ms = end.ceiling(zone, query.to_unix_ms).max(from_unix_ms);
    let mut parts = Vec::new();
    divide(zone, from_unix_ms, to_unix_ms, &grains, &mut parts);
    Cover {
        from_unix_ms,
        to_unix_ms: to_unix_ms.min(now_unix_ms.max(query.to_unix_ms)),
        parts,
    }
}

/// Returns whether sums of a grain are still there for the whole bucket of the next longer grain that a time is in.
fn is_kept(
    grain: Grain,
    zone: Zone,
    time: i64,
    detail: Detail,
    keep: &Keep,
    now_unix_ms: i64,
) -> bool {
    let Some(days) = keep.of(detail, grain) else {
        return true;
    };
    let longer = Grain::ALL.into_iter().find(|longer| *longer > grain);
    let start = longer.unwrap_or(grain).floor(zone, time);
    start >= now_unix_ms.saturating_sub(i64::from(days) * DAY_MS)
}

/// Covers a range with the longest of the grains, and what is before and after with the others.
fn divide(zone: Zone, from: i64, to: i64, grains: &[Grain], parts: &mut Vec<Part>) {
    let Some((longest, shorter)) = grains.split_last() else {
        return;
    };
    if from >= to {
        return;
    }
    if shorter.is_empty() {
        parts.push(Part {
            grain: *longest,
            buckets: longest.bucket(zone, from)..longest.bucket(zone, longest.ceiling(zone, to)),
        });
        return;
    }
    let (start, end) = (longest.ceiling(zone, from), longest.floor(zone, to));
    if start >= end {
        divide(zone, from, to, shorter, parts);
        return;
    }
    divide(zone, from, start, shorter, parts);
    parts.push(Part {
        grain: *longest,
        buckets: longest.bucket(zone, start)..longest.bucket(zone, end),
    });
    divide(zone, end, to, shorter, parts);
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::query::Sort;
    use crate::series::Room;

    const KEEP: Keep = Keep {
        minutes: 2,
        hours: 60,
        days: 800,
        sessions: 90,
        room: Room {
            series: 1,
            details_a_day: 1,
        },
    };

    fn at(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text)
            .unwrap()
            .timestamp_millis()
    }

    fn covered(from: &str, to: &str, per: Option<Grain>, detail: Detail) -> Vec<(Grain, i64)> {
        covered_in(Zone::UTC, from, to, per, detail)
    }

    /// Returns the grains of the parts, and the number of their buckets.
    fn covered_in(
        zone: Zone,
        from: &str,
        to: &str,
        per: Option<Grain>,
        detail: Detail,
    ) -> Vec<(Grain, i64)> {
        let query = Query {
            by: Vec::new(),
            per,
            zone,
            from_unix_ms: at(from),
            to_unix_ms: at(to),
            only: Vec::new(),
            sort: Sort::Cost,
            limit: 1,
            latencies: false,
            most_read: 1,
        };
        let cover = cover(&query, detail, &KEEP, at("2026-11-29T12:00:30Z"));
        let mut end = None;
        for part in &cover.parts {
            let start = part.grain.start(zone, part.buckets.start);
            assert!(end.is_none_or(|end| end == start), "no gap: {cover:?}");
            end = Some(part.grain.start(zone, part.buckets.end));
        }
        let count = |part: Part| {
            let numbers = part.buckets.end - part.buckets.start;
            // An hour has the number of its first minute.
            let length = if part.grain == Grain::Hour { 60 } else { 1 };
            (part.grain, numbers / length)
        };
        cover.parts.into_iter().map(count).collect()
    }

    #[test]
    fn a_range_in_a_zone_is_covered_by_its_days_and_months() {
        use Grain::{Day, Hour, Month};
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let cover = |from, to| covered_in(berlin, from, to, None, Detail::Without);
        assert_eq!(
            cover("2026-03-01T00:00:00+01:00", "2026-04-01T00:00:00+02:00"),
            [(Month, 1)],
            "a month in which clocks go forward"
        );
        assert_eq!(
            cover("2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"),
            [(Day, 1)],
            "a day of 25 hours"
        );
        assert_eq!(
            cover("2026-10-24T23:00:00+02:00", "2026-10-25T03:00:00+01:00"),
            [(Hour, 5)],
            "an hour before, and the first four of it"
        );
    }

    #[test]
    fn a_range_is_covered_by_the_longest_grains_that_fit() {
        use Grain::{Day, Hour, Minute, Month, Year};
        let cover = |from, to| covered(from, to, None, Detail::Without);
        assert_eq!(
            cover("2026-11-01T00:00:00Z", "2026-11-29T12:00:30Z"),
            [(Month, 1)],
            "this month up to now is one bucket"
        );
        assert_eq!(
            cover("2025-12-15T00:00:00Z", "2026-11-29T12:00:30Z"),
            [(Day, 17), (Year, 1)],
            "nearly a year"
        );
        assert_eq!(
            cover("2024-11-01T00:00:00Z", "2026-07-01T00:00:00Z"),
            [(Month, 2), (Year, 1), (Month, 6)],
            "a year between months"
        );
        assert_eq!(
            cover("2026-11-28T22:58:10Z", "2026-11-29T02:01:00Z"),
            [(Minute, 2), (Hour, 3), (Minute, 1)],
            "the last night"
        );
        assert_eq!(
            cover("2026-11-20T22:58:10Z", "2026-11-21T02:01:00Z"),
            [(Hour, 5)],
            "minutes of last week are gone, so its ends are rounded"
        );
        assert_eq!(
            covered(
                "2026-10-01T00:00:00Z",
                "2026-10-02T00:00:00Z",
                Some(Hour),
                Detail::Without
            ),
            [(Hour, 24)],
            "hours are asked for"
        );
        assert_eq!(
            covered(
                "2026-11-01T00:00:00Z",
                "2026-11-03T01:00:00Z",
                None,
                Detail::With
            ),
            [(Day, 2), (Hour, 1)],
            "sessions have no months"
        );
        assert!(
            cover("2026-11-29T00:00:00Z", "2026-11-28T00:00:00Z").is_empty(),
            "backwards"
        );
    }
}
