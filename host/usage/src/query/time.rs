//! Times and lengths of time as operators write them, in a time zone.

use chrono::{DateTime, Datelike as _, Days, NaiveDate};
use witgate_ledger::{UnixMillis, Zone};

use crate::grain::{Grain, date, start};

const DAY_MS: i64 = 86_400_000;

/// Returns the beginning of a window that ends now: the current `minute`, `hour`, `day`, `week` (from Monday), `month` or `year`,
/// or the last `90m`, `24h` or `7d`. Returns `None` for other texts.
#[must_use]
pub fn window(text: &str, zone: Zone, now_unix_ms: i64) -> Option<i64> {
    if let Some(grain) = Grain::named(text) {
        return Some(grain.floor(zone, now_unix_ms));
    }
    let today = date(zone, now_unix_ms)?;
    match text {
        "week" => {
            let passed = today.weekday().num_days_from_monday();
            start(zone, today.checked_sub_days(Days::new(u64::from(passed)))?)
        }
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

/// Returns a time in Unix milliseconds: a month (`2026-11`) or a date (`2026-11-29`) in the zone, or a time of RFC 3339. Returns
/// `None` for other texts.
#[must_use]
pub fn time(text: &str, zone: Zone) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    let date = format!("{text}-01");
    let date = if text.len() == "2026-11".len() {
        &date
    } else {
        text
    };
    start(zone, NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?)
}

/// Returns a time as text in UTC.
#[must_use]
pub fn text(unix_ms: i64) -> String {
    text_in(Zone::UTC, unix_ms)
}

/// Returns a time as text in a zone.
#[must_use]
pub fn text_in(zone: Zone, unix_ms: i64) -> String {
    let at = u64::try_from(unix_ms.max(0)).unwrap_or(0);
    let offset = zone.offset(UnixMillis(at));
    match (DateTime::from_timestamp_millis(unix_ms), offset) {
        (Some(time), Some(offset)) if zone != Zone::UTC => time
            .with_timezone(&offset)
            .format("%Y-%m-%dT%H:%M:%S%:z")
            .to_string(),
        (Some(time), _) => time.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        (None, _) => unix_ms.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_times_are_read_as_operators_write_them() {
        let time = |text: &str| time(text, Zone::UTC);
        let window = |text: &str, now| window(text, Zone::UTC, now);
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

    #[test]
    fn windows_and_dates_are_those_of_the_zone() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        // A quarter past midnight on a Monday in Berlin, in the week after clocks went back.
        let now = time("2026-10-26T00:15:00+01:00", berlin).unwrap();
        for (text, start) in [
            ("hour", "2026-10-26T00:00:00+01:00"),
            ("day", "2026-10-26T00:00:00+01:00"),
            ("week", "2026-10-26T00:00:00+01:00"),
            ("month", "2026-10-01T00:00:00+02:00"),
            ("year", "2026-01-01T00:00:00+01:00"),
        ] {
            let begins = window(text, berlin, now).map(|at| text_in(berlin, at));
            assert_eq!(begins.as_deref(), Some(start), "{text}");
        }
        let date = time("2026-10-25", berlin).map(|at| text_in(berlin, at));
        assert_eq!(date.as_deref(), Some("2026-10-25T00:00:00+02:00"), "a date");
        let next = time("2026-10-26", berlin).unwrap();
        assert_eq!(
            next - time("2026-10-25", berlin).unwrap(),
            25 * 3_600_000,
            "a day of 25 hours"
        );
    }
}
