//! The form of a log line: one line of bounded length without control characters, whatever text it contains.
//!
//! File paths, upstream errors and plugin texts reach the log in many ways. All lines pass here, where line breaks and control
//! characters are escaped and long texts are cut.

use serde_json::Value;
use witgate_gateway::text::{Cut, escaped, is_unsafe};

use super::LogFormat;

/// Maximum length of a line in bytes.
const MAX_LINE: usize = 16 * 1024;

/// Maximum length in bytes of each text in a JSON line that is too long.
const MAX_TEXT: usize = 1024;

/// Returns what a subscriber has written as one line: with a line break at its end, and none inside.
pub(super) fn one(format: LogFormat, written: &[u8]) -> Vec<u8> {
    let written = written.strip_suffix(b"\n").unwrap_or(written);
    let text = String::from_utf8_lossy(written);
    let mut line = match format {
        LogFormat::Text => String::from(Cut::to(MAX_LINE, &escaped(&text, is_unsafe))),
        LogFormat::Json => json(&text),
    };
    line.push('\n');
    line.into_bytes()
}

/// Escapes the texts of a JSON line with JSON escapes, so that a parser sees the original text.
fn json(text: &str) -> String {
    let shortened = if text.len() > MAX_LINE {
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

/// Returns the line with its texts cut, or `None` if it is not JSON.
fn shortened(text: &str) -> Option<String> {
    let mut line: Value = serde_json::from_str(text).ok()?;
    shorten(&mut line);
    Some(line.to_string())
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => *text = Cut::to(MAX_TEXT, text).into(),
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
        let line =
            String::from_utf8(one(LogFormat::Text, format!("{FORGED}\n").as_bytes())).unwrap();
        assert_eq!(
            line,
            "a\\n2026 ERROR forged\\r\\u{85}\\u{2028}\\u{2029}\\u{202e}\\u{1b}[2J\\u{9b}\n"
        );
        let json = serde_json::json!({"message": FORGED}).to_string();
        let line = String::from_utf8(one(LogFormat::Json, json.as_bytes())).unwrap();
        assert!(!line.trim_end_matches('\n').contains(is_unsafe), "{line:?}");
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["message"], FORGED, "it says the same");
    }

    #[test]
    fn a_line_has_an_end_and_is_json_all_the_same() {
        let long = "x".repeat(1 << 20);
        assert!(
            one(LogFormat::Text, long.as_bytes()).len() < MAX_LINE + 64,
            "text"
        );
        let json = serde_json::json!({"fields": {"message": long}, "level": "INFO"}).to_string();
        let line = one(LogFormat::Json, json.as_bytes());
        assert!(line.len() < 2 * MAX_TEXT, "JSON");
        let read: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(read["level"], "INFO", "still JSON");
    }
}
