//! Headers of a recorded request. A secret may be in a header of any name, so that a value is written only where the name
//! is known to hold none: of all others there is the name, and a blank.

use http::HeaderMap;

use super::secret;
use crate::headers::is_credential;

/// Names whose values say what a replay needs, or their beginnings with `*` behind them.
const PLAIN: [&str; 11] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "anthropic-*",
    "content-type",
    "host",
    "user-agent",
    "x-app",
    "x-claude-code-*",
    "x-stainless-*",
    "x-vmx-*",
];

/// Headers that say how a body came, which a recorded one does not any more.
const FRAMING: [&str; 4] = [
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
];

/// Most bytes of a blank.
const LONGEST_BLANK: usize = 64;

/// Returns the headers as they are recorded; `more` are names, or their beginnings, that the operator knows to hold no
/// secret.
pub(super) fn recorded(headers: &HeaderMap, more: &[String]) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| !is_credential(name.as_str()) && !FRAMING.contains(&name.as_str()))
        .filter_map(|(name, value)| {
            let name = name.as_str();
            let plain = is_plain(name) || more.iter().any(|plain| is_of(plain, name));
            let value = match plain {
                true => value.to_str().ok()?.to_owned(),
                false => "x".repeat(value.len().min(LONGEST_BLANK)),
            };
            Some((name.to_owned(), value))
        })
        .collect()
}

/// Returns whether a recorded value stands for one that was not written.
pub fn is_blank(name: &str, value: &str) -> bool {
    !is_plain(name) && !value.is_empty() && value.bytes().all(|byte| byte == b'x')
}

fn is_plain(name: &str) -> bool {
    PLAIN.iter().any(|plain| is_of(plain, name)) && !secret::is_named(name)
}

fn is_of(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name
            .get(..beginning.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(beginning)),
        None => name.eq_ignore_ascii_case(pattern),
    }
}
