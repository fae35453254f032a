//! Points in time, and the little calendar that calendar months need.

const DAYS_PER_ERA: u64 = 146_097;

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

/// The number of days from 1970-01-01 to the first day of the month after the one that `day` is in; none past the
/// end of what 64 bits can count.
///
/// Years are counted from March, so that the leap day is the last day of a year and the lengths of months follow one
/// linear formula. 400 years, an era, have the same number of days wherever they start.
pub(crate) fn start_of_next_month(day: u64) -> Option<u64> {
    /// Days from 0000-03-01 to 1970-01-01.
    const EPOCH: u64 = 719_468;

    let day = day.checked_add(EPOCH)?;
    let (era, day_of_era) = (day / DAYS_PER_ERA, day % DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let start_of_year = 365 * year_of_era + year_of_era / 4 - year_of_era / 100;
    let month = (5 * (day_of_era - start_of_year) + 2) / 153;

    // February, the last month of such a year, ends where the next year starts. That year may be in the next era.
    let next = if month == 11 {
        let year = year_of_era + 1;
        let leap_day_of_era = u64::from(year == 400);
        365 * year + year / 4 - year / 100 + leap_day_of_era
    } else {
        start_of_year + (153 * (month + 1) + 2) / 5
    };
    (era.checked_mul(DAYS_PER_ERA)?.checked_add(next)?).checked_sub(EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

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
                        start_of_next_month(day + inside),
                        Some(day + days),
                        "day {inside} of month {month} of {year}, counted from 0"
                    );
                }
                day += days;
            }
        }
    }

    #[test]
    fn the_end_of_time_is_no_panic() {
        for day in [
            u64::MAX,
            u64::MAX - 719_468,
            u64::MAX - 719_469,
            u64::MAX / 86_400_000,
        ] {
            assert_ne!(start_of_next_month(day), Some(day), "day {day}");
        }
    }
}
