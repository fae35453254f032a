//! Checks of headers that two recipients could read differently: repeated ones, and those that `Connection` removes.
//!
//! The gateway reads a header and forwards it, and the upstream reads it again. Both have to see the same value. So a
//! single-valued header may come only once, and `Connection` may name only hop-by-hop headers.

use witgate_http::{Headers, Value};

use crate::exchange::headers::is_hop_by_hop;

/// Single-valued headers on which the gateway, its plugins or the upstream base decisions.
const SINGLE_VALUED: [&str; 9] = [
    "authorization",
    "x-api-key",
    "x-witgate-key",
    "proxy-authorization",
    "content-encoding",
    "content-type",
    "anthropic-version",
    "expect",
    "origin",
];

/// Options of `Connection` that are not names of headers.
const OPTIONS: [&str; 2] = ["close", "keep-alive"];

/// Checks that every header has the same meaning for all recipients.
///
/// # Errors
///
/// Returns a text that names the ambiguous header.
pub(crate) fn check(headers: &Headers) -> Result<(), String> {
    // Most requests repeat no header.
    if headers.has_repeated()
        && let Some(name) = SINGLE_VALUED
            .into_iter()
            .find(|name| is_repeated(headers, name))
    {
        return Err(format!("send the header {name} only once"));
    }
    let mut connection = headers.get_all(&"connection");
    match connection.find_map(|value| removed_by(value, headers)) {
        None => Ok(()),
        Some(name) => Err(format!(
            "the connection header names {name}, which is not a hop-by-hop header: remove it from connection"
        )),
    }
}

fn is_repeated(headers: &Headers, name: &str) -> bool {
    headers.get_all(&name).nth(1).is_some()
}

/// Returns the first end-to-end header that this value of `Connection` would remove, or `None`.
fn removed_by(value: Value<'_>, headers: &Headers) -> Option<String> {
    value
        .as_bytes()
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|word| {
            !OPTIONS
                .iter()
                .any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
        })
        .filter_map(|word| Some(std::str::from_utf8(word).ok()?.to_ascii_lowercase()))
        .find(|name| headers.contains_key(name) && !is_never_forwarded(name))
}

/// Returns whether a header is never forwarded: hop-by-hop headers, and credentials for a proxy.
fn is_never_forwarded(name: &str) -> bool {
    is_hop_by_hop(name) || name == "proxy-authorization"
}
