//! The expiry of a credential: Unix seconds, or a date of RFC 3339.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// Parses either form. Returns `None` for anything else.
pub(super) fn read(value: &Value) -> Option<SystemTime> {
    let seconds = match value {
        Value::Number(number) => match number.as_u64() {
            Some(seconds) => seconds,
            None => Duration::try_from_secs_f64(number.as_f64()?)
                .ok()?
                .as_secs(),
        },
        Value::String(text) => rfc3339(text)?,
        _ => return None,
    };
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Parses `2026-11-21T16:00:00.5+01:00` (RFC 3339, section 5.6), to the second.
fn rfc3339(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits
            .bytes()
            .all(|digit| digit.is_ascii_digit())
            .then_some(())?;
        digits.parse().ok()
    };
    let sign = |at: usize, signs: &str| {
        let found = text.get(at..=at)?;
        signs.contains(found).then_some(())
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    for (at, signs) in [(4, "-"), (7, "-"), (10, "Tt "), (13, ":"), (16, ":")] {
        sign(at, signs)?;
    }
    let valid = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    valid.then_some(())?;
    let zone = text.get(19..)?;
    let zone = match zone.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|digit: char| digit.is_ascii_digit()),
        None => zone,
    };
    let seconds =
        days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset(zone)?;
    u64::try_from(seconds).ok()
}

/// Returns the offset of a zone from UTC, in seconds.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, clock) = match zone.split_at_checked(1)? {
        ("+", clock) => (1, clock),
        ("-", clock) => (-1, clock),
        _ => return None,
    };
    let (hours, minutes) = clock.split_once(':')?;
    let whole = |text: &str| -> Option<i64> {
        (text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit()))
            .then(|| text.parse().ok())?
    };
    Some(sign * (whole(hours)? * 3600 + whole(minutes)? * 60))
}

/// Returns the days since 1970-01-01 in the Gregorian calendar (Hinnant, "chrono-compatible low-level date
/// algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_to_the_second_in_every_zone() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-11-21T16:00:00Z", 1_795_276_800),
            ("2026-11-21t17:00:00.999+01:00", 1_795_276_800),
            ("2026-11-21 10:30:00-05:30", 1_795_276_800),
            ("2100-01-01T00:00:00Z", 4_102_444_800),
        ] {
            assert_eq!(rfc3339(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "soon",
            "2026-11-21",
            "2026-11-21T16:00:00",
            "2026-13-21T16:00:00Z",
            "2026-11-21T25:00:00Z",
            "2026-11-21T16:00:00+1",
            "2026-11-21T16:00:00Zx",
            "+026-11-21T16:00:00Z",
            "2026é11-21T16:00:00Z",
        ] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn seconds_are_read_with_and_without_a_fraction() {
        let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(read(&serde_json::json!(12)), at(12), "whole");
        assert_eq!(read(&serde_json::json!(12.9)), at(12), "with a fraction");
        assert_eq!(read(&serde_json::json!(-1)), None, "before time");
        assert_eq!(read(&serde_json::json!([])), None, "something else");
    }
}
