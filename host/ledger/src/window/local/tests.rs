use chrono::SecondsFormat;

use super::*;
use crate::Window;

fn at(text: &str) -> UnixMillis {
    let at = DateTime::parse_from_rfc3339(text).expect("a time");
    UnixMillis(at.timestamp_millis().cast_unsigned())
}

fn end(code: &str, now: &str) -> String {
    let window = Window::parse(code).expect("a known code");
    let end = window.resets_at(at(now)).expect("an end");
    let end = DateTime::from_timestamp_millis(end.0.cast_signed()).expect("in the calendar");
    end.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[test]
fn a_day_ends_at_local_midnight_whatever_the_clocks_do() {
    for (zone, now, ends, told) in [
        (
            "Europe/Berlin",
            "2026-11-29T11:00:00Z",
            "2026-11-29T23:00:00Z",
            "in winter",
        ),
        (
            "Europe/Berlin",
            "2026-07-01T22:00:00Z",
            "2026-07-02T22:00:00Z",
            "in summer, at its first instant",
        ),
        (
            "Europe/Berlin",
            "2026-03-28T23:00:00Z",
            "2026-03-29T22:00:00Z",
            "a day of 23 hours",
        ),
        (
            "Europe/Berlin",
            "2026-10-24T22:00:00Z",
            "2026-10-25T23:00:00Z",
            "a day of 25 hours",
        ),
        (
            "America/New_York",
            "2026-11-01T05:30:00Z",
            "2026-11-02T05:00:00Z",
            "in the hour before it is repeated",
        ),
        (
            "America/New_York",
            "2026-11-01T06:30:00Z",
            "2026-11-02T05:00:00Z",
            "and in the repeated one",
        ),
        (
            "Asia/Kolkata",
            "2026-11-29T18:29:59Z",
            "2026-11-29T18:30:00Z",
            "at half past in UTC",
        ),
        (
            "Australia/Lord_Howe",
            "2026-04-04T13:00:00Z",
            "2026-04-05T13:30:00Z",
            "a day of 24 and a half hours",
        ),
        (
            "America/Sao_Paulo",
            "2018-11-03T12:00:00Z",
            "2018-11-04T03:00:00Z",
            "the next day has no midnight",
        ),
        (
            "America/Sao_Paulo",
            "2018-11-04T12:00:00Z",
            "2018-11-05T02:00:00Z",
            "and is 23 hours long",
        ),
        (
            "America/Havana",
            "2025-11-01T12:00:00Z",
            "2025-11-02T04:00:00Z",
            "the next day has two midnights",
        ),
        (
            "America/Havana",
            "2025-11-02T04:30:00Z",
            "2025-11-03T05:00:00Z",
            "of which the first begins it",
        ),
        (
            "America/St_Johns",
            "2010-11-07T02:00:00Z",
            "2010-11-07T02:30:00Z",
            "a minute before clocks go back over midnight",
        ),
        (
            "America/St_Johns",
            "2010-11-07T03:00:00Z",
            "2010-11-07T03:30:00Z",
            "after which midnight comes again",
        ),
        (
            "Pacific/Apia",
            "2011-12-30T09:00:00Z",
            "2011-12-30T10:00:00Z",
            "the next day is left out",
        ),
        (
            "Pacific/Kiritimati",
            "2026-11-29T09:59:59Z",
            "2026-11-29T10:00:00Z",
            "as far east as there is",
        ),
    ] {
        assert_eq!(end(&format!("day@{zone}"), now), ends, "{zone}: {told}");
    }
}

#[test]
fn weeks_begin_on_monday_and_months_on_their_first_day() {
    for (code, now, ends) in [
        (
            "week@Europe/Berlin",
            "2026-11-29T22:59:59Z",
            "2026-11-29T23:00:00Z",
        ),
        (
            "week@Europe/Berlin",
            "2026-11-29T23:00:00Z",
            "2026-12-06T23:00:00Z",
        ),
        (
            "week@Europe/Berlin",
            "2026-10-25T00:30:00Z",
            "2026-10-25T23:00:00Z",
        ),
        (
            "month@Europe/Berlin",
            "2026-03-01T00:00:00Z",
            "2026-03-31T22:00:00Z",
        ),
        (
            "month@America/Los_Angeles",
            "2027-01-01T07:59:59Z",
            "2027-01-01T08:00:00Z",
        ),
        (
            "month@Asia/Tokyo",
            "2028-02-28T15:00:00Z",
            "2028-02-29T15:00:00Z",
        ),
    ] {
        assert_eq!(end(code, now), ends, "{code} at {now}");
    }
}

/// The naive way: try every quarter of an hour until the date is another.
#[test]
fn ends_agree_with_a_walk_through_the_hours() {
    let zones = [
        "Europe/London",
        "America/Santiago",
        "Africa/Cairo",
        "Asia/Tehran",
        "Pacific/Chatham",
        "America/Asuncion",
        "Asia/Beirut",
        "Africa/Casablanca",
    ];
    for zone in zones {
        let zone = Zone::parse(zone).expect("a zone");
        for calendar in Calendar::ALL {
            let local = Local::new(calendar, zone).expect("not UTC");
            let mut now = at("2015-01-01T00:07:00Z");
            while now < at("2016-02-01T00:00:00Z") {
                let end = local.next_start(now).expect("an end");
                let next = calendar.next(zone.date(now).expect("a date"));
                let next = next.expect("another");
                let mut walked = UnixMillis(now.0 - now.0 % (HOUR / 4));
                while zone.date(walked).expect("a date") < next {
                    walked.0 += HOUR / 4;
                }
                assert_eq!(end, walked, "{calendar:?} in {} at {now:?}", zone.name());
                now.0 = end.0 - 1;
                assert_eq!(local.next_start(now), Some(end), "at the last millisecond");
                now.0 = end.0 + 7 * HOUR;
            }
        }
    }
}
