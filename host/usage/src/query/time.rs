//! Times and lengths of time as operators write them, all in UTC.

use chrono::{DateTime, Datelike as _, NaiveDate};

use crate::grain::Grain;

const DAY_MS: i64 = 86_400_000;

/// Returns the beginning of a window that ends now: the current `minute`, `hour`, `day`, `week` (from Monday), `month` or `year`,
/// or the last `90m`, `24h` or `7d`. Returns `None` for other texts.
#[must_use]
pub fn window(text: &str, now_unix_ms: i64) -> Option<i64> {
    let day = Grain::Day.floor(now_unix_ms);
    if let Some(grain) = Grain::named(text) {
        return Some(grain.floor(now_unix_ms));
    }
    let date = DateTime::from_timestamp_millis(now_unix_ms)?;
    match text {
        "week" => Some(day - i64::from(date.weekday().num_days_from_monday()) * DAY_MS),
        "year" => midnight(NaiveDate::from_ymd_opt(date.year(), 1, 1)?),
        _ => {
            let unit = match text.chars().next_back()? {
                'm' => 60_000,
                'h' => 3_600_000,
                'd' => DAY_MS,
                _ => return None,
            };
            let count: u32 = text.get(..text.len() - 1)?.parse().ok()?;
            now_unix_ms.checked_sub(i64::from(count).checked_mul(unit)?)
        }
    }
}

/// Returns a time in Unix milliseconds: a month (`2026-11`), a date (`2026-11-29`), or a time of RFC 3339. Returns `None` for
/// other texts.
#[must_use]
pub fn time(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    let date = format!("{text}-01");
    let date = if text.len() == "2026-11".len() {
        &date
    } else {
        text
    };
    midnight(NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?)
}

/// Returns a time as text.
#[must_use]
pub fn text(unix_ms: i64) -> String {
    DateTime::from_timestamp_millis(unix_ms).map_or_else(
        || unix_ms.to_string(),
        |time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

fn midnight(date: NaiveDate) -> Option<i64> {
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_times_are_read_as_operators_write_them() {
        let now = time("2026-11-29T12:34:56Z").unwrap();
        for (window_text, start) in [
            ("minute", "2026-11-29T12:34:00Z"),
            ("hour", "2026-11-29T12:00:00Z"),
            ("day", "2026-11-29T00:00:00Z"),
            ("week", "2026-11-23T00:00:00Z"),
            ("month", "2026-11-01T00:00:00Z"),
            ("year", "2026-01-01T00:00:00Z"),
            ("7d", "2026-11-22T12:34:56Z"),
            ("36h", "2026-11-28T00:34:56Z"),
            ("90m", "2026-11-29T11:04:56Z"),
        ] {
            let begins = window(window_text, now).map(text);
            assert_eq!(begins.as_deref(), Some(start), "{window_text}");
        }
        for wrong in ["", "d", "-1d", "7x", "fortnight", "99999999999d"] {
            assert_eq!(window(wrong, now), None, "{wrong} is no window");
        }
        assert_eq!(time("2026-11"), time("2026-11-01T00:00:00Z"), "a month");
        assert_eq!(
            time("2026-11-29"),
            time("2026-11-29T01:00:00+01:00"),
            "a day"
        );
        for wrong in ["", "yesterday", "2026-13", "2026-02-30", "2026-1-1x"] {
            assert_eq!(time(wrong), None, "{wrong} is no time");
        }
    }
}
