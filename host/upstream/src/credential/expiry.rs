//! Expiry times of credentials: Unix seconds, or a date of RFC 3339.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use serde_json::Value;

/// Reads either form. Returns `None` for anything else.
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

/// Reads a date of RFC 3339 as Unix seconds; fractions of a second are dropped.
fn rfc3339(text: &str) -> Option<u64> {
    let date = DateTime::parse_from_rfc3339(text).ok()?;
    u64::try_from(date.timestamp()).ok()
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
