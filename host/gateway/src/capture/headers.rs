//! The headers of a recorded request. Any header may contain a secret, so a value is written only if headers of that name are
//! known to hold none; all other values are masked.

use witgate_http::{Header, Headers};

use super::secret;
use crate::exchange::headers::is_credential;

/// Names of headers that a replay needs and that hold no secrets; a trailing `*` stands for any ending.
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

/// Headers about the transfer of the body, which do not apply to a recorded body.
const FRAMING: [&str; 4] = [
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
];

/// Maximum length of a mask in bytes.
const MAX_MASK: usize = 64;

/// Returns the headers to record; `more` are further names or patterns that hold no secrets, from the operator.
pub(super) fn recorded(headers: &Headers, more: &[String]) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|header| !is_credential(header.name) && !FRAMING.contains(&header.name))
        .filter_map(|Header { name, value, .. }| {
            let plain = is_plain(name) || more.iter().any(|plain| is_of(plain, name));
            let value = match plain {
                true => value.to_str()?.to_owned(),
                false => "x".repeat(value.len().min(MAX_MASK)),
            };
            Some((name.to_owned(), value))
        })
        .collect()
}

/// Returns whether a recorded value is a mask.
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
