//! The texts that people meet, whole, as files in `texts/expected`. A change of wording is a change of these files, which
//! `make texts` writes anew: the difference is then read like any other.

mod commands;
mod pages;
mod refusals;

use std::path::Path;

use expect_test::ExpectFile;
use serde_json::{Value, json};

/// Returns the body of a small request.
fn body() -> Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []})
}

/// Compares a text with an expected one, a line break at its end aside.
fn check(expected: &ExpectFile, text: &str) {
    let text = text
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n");
    expected.assert_eq(&format!("{}\n", text.trim_end()));
}

/// Replaces everything that another run or another build would have otherwise: the folder, ports, hashes and ids. Lines of
/// the log are left out.
fn steady(text: &str, folder: &Path) -> String {
    let is_log = |line: &str| line.starts_with("20") && line.get(10..11) == Some("T");
    let lines = text.lines().filter(|line| !is_log(line));
    let text = lines.collect::<Vec<_>>().join("\n");
    let text = text.replace(folder.to_str().unwrap(), "FOLDER");
    let text = number_after(&text, "127.0.0.1:", "PORT");
    text.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric())
        .map(|word| {
            let (word, mark) = word.split_at(
                word.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric())
                    .len(),
            );
            let digits = word.strip_prefix("wg").unwrap_or(word);
            let is_hash = digits.len() >= 12
                && digits
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            let word = if is_hash { "HASH" } else { word };
            format!("{word}{mark}")
        })
        .collect()
}

/// Replaces every number that stands right behind `mark`.
fn number_after(text: &str, mark: &str, name: &str) -> String {
    let mut parts = text.split(mark);
    let mut steady = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|letter: char| letter.is_ascii_digit());
        steady += mark;
        steady += if rest.len() == part.len() { "" } else { name };
        steady += rest;
    }
    steady
}

/// Replaces every number that stands right in front of `mark`.
fn number_before(text: &str, mark: &str, name: &str) -> String {
    let is_digit = |letter: char| letter.is_ascii_digit() || letter == '.';
    let mut steady = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(mark) {
        let before = &rest[..at];
        let kept = before.trim_end_matches(is_digit);
        steady += kept;
        steady += if kept.len() == before.len() { "" } else { name };
        steady += mark;
        rest = &rest[at + mark.len()..];
    }
    steady + rest
}

#[test]
fn only_numbers_beside_the_mark_are_replaced() {
    assert_eq!(
        number_after("a:12 b:x 12", ":", "N"),
        "a:N b:x 12",
        "behind it"
    );
    assert_eq!(
        number_before("1.5 ms, 7 s, ms", " ms", "N"),
        "N ms, 7 s, ms",
        "in front of it"
    );
}
