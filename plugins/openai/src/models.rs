//! The list of models.

use std::ops::Range;

use witgate_plugin::json::Json;

use crate::out::Out;
use crate::settings::Settings;

/// Turns a page of models into OpenAI's list, with the names that the operator gave to models.
pub(crate) fn list(page: &Json<'_>, settings: &Settings) -> String {
    let models = match page.get("data") {
        Some(Json::List(models)) => &**models,
        _ => &[],
    };
    let find = |id: &str| {
        let named = |model: &&Json<'_>| model.get("id").and_then(Json::as_str) == Some(id);
        models.iter().find(named)
    };
    let mut out = Out::default();
    out.object(|out| {
        out.text_member("object", "list");
        out.name("data").array(|out| {
            for model in models {
                one(model, None, out);
            }
            // A name whose model the caller may not use is not listed.
            for (name, id) in settings.models.iter() {
                if let Some(model) = find(id) {
                    one(model, Some(name), out);
                }
            }
        });
    });
    out.finish()
}

/// Turns a model into OpenAI's shape. `name` is the one that the client asked by.
pub(crate) fn model(model: &Json<'_>, name: Option<&str>) -> String {
    let mut out = Out::default();
    one(model, name, &mut out);
    out.finish()
}

fn one(model: &Json<'_>, name: Option<&str>, out: &mut Out) {
    let text = |name| model.get(name).and_then(Json::as_str);
    out.object(|out| {
        out.text_member("id", name.or(text("id")).unwrap_or_default());
        out.text_member("object", "model");
        out.member("created", text("created_at").map_or(0, seconds));
        out.text_member("owned_by", "anthropic");
    });
}

/// Returns the Unix seconds of a time in UTC such as `2026-02-19T00:00:00Z`, or 0 for anything else.
fn seconds(time: &str) -> u64 {
    let number = |range: Range<usize>| time.get(range)?.parse::<u64>().ok();
    let (Some(year), Some(month), Some(day)) = (number(0..4), number(5..7), number(8..10)) else {
        return 0;
    };
    if year < 1970 || !(1..=12).contains(&month) || day == 0 {
        return 0;
    }
    let clock = |range| number(range).unwrap_or(0);
    // The days of a year that begins in March, so that a leap day is its last one.
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let since = days.saturating_sub(719_468);
    since * 86_400 + clock(11..13) * 3_600 + clock(14..16) * 60 + clock(17..19)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn a_time_becomes_seconds() {
        for (time, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2024-02-29T12:00:01Z", 1_709_208_001),
            ("2026-11-30T23:59:59Z", 1_796_083_199),
            ("yesterday", 0),
        ] {
            assert_eq!(seconds(time), expected, "{time}");
        }
    }
}
