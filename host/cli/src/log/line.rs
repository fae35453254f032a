//! One line of the log, whatever is in it.
//!
//! Paths, errors of upstreams and texts of plugins come into the log by many ways. Here, where all lines pass, what could
//! begin another line or steer the terminal is written out, and what is too long is cut.

use serde_json::Value;

use super::LogForm;
use witgate_gateway::text::{Cut, escaped, is_unsafe};

/// Most bytes of a line.
const LONGEST: usize = 16 * 1024;

/// Most bytes of one text in a JSON line that is too long.
const LONGEST_TEXT: usize = 1024;

/// Makes one line of what a subscriber has written: an end of line at its end, and none within.
pub(super) fn one(form: LogForm, written: &[u8]) -> Vec<u8> {
    let written = written.strip_suffix(b"\n").unwrap_or(written);
    let text = String::from_utf8_lossy(written);
    let mut line = match form {
        LogForm::Text => String::from(Cut::to(LONGEST, &escaped(&text, is_unsafe))),
        LogForm::Json => json(&text),
    };
    line.push('\n');
    line.into_bytes()
}

/// JSON escapes stand for the same text, so that whoever parses the line sees what was logged.
fn json(text: &str) -> String {
    let shortened = if text.len() > LONGEST {
        shortened(text)
    } else {
        None
    };
    let text = shortened.as_deref().unwrap_or(text);
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            line.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            line.push(character);
        }
    }
    line
}

/// The line with its texts cut; none where it is no JSON.
fn shortened(text: &str) -> Option<String> {
    let mut line: Value = serde_json::from_str(text).ok()?;
    shorten(&mut line);
    Some(line.to_string())
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => *text = Cut::to(LONGEST_TEXT, text).into(),
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(members) => members.values_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORGED: &str = "a\n2026 ERROR forged\r\u{85}\u{2028}\u{2029}\u{202e}\u{1b}[2J\u{9b}";

    #[test]
    fn no_text_begins_a_line_or_steers_a_terminal() {
        let line = String::from_utf8(one(LogForm::Text, format!("{FORGED}\n").as_bytes())).unwrap();
        assert_eq!(
            line,
            "a\\n2026 ERROR forged\\r\\u{85}\\u{2028}\\u{2029}\\u{202e}\\u{1b}[2J\\u{9b}\n"
        );
        let json = serde_json::json!({"message": FORGED}).to_string();
        let line = String::from_utf8(one(LogForm::Json, json.as_bytes())).unwrap();
        assert!(!line.trim_end_matches('\n').contains(is_unsafe), "{line:?}");
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["message"], FORGED, "it says the same");
    }

    #[test]
    fn a_line_has_an_end_and_is_json_all_the_same() {
        let long = "x".repeat(1 << 20);
        assert!(
            one(LogForm::Text, long.as_bytes()).len() < LONGEST + 64,
            "text"
        );
        let json = serde_json::json!({"fields": {"message": long}, "level": "INFO"}).to_string();
        let line = one(LogForm::Json, json.as_bytes());
        assert!(line.len() < 2 * LONGEST_TEXT, "JSON");
        let read: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(read["level"], "INFO", "still JSON");
    }
}
