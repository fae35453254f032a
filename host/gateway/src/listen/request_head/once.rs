//! Headers that two readers could take differently: those that come twice, and those that `Connection` takes away.
//!
//! The gateway reads a header and passes it on, and the upstream reads it again. Both have to find the same. So a header
//! with one value comes once, and no header ends at this hop but those of the hop itself.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

use crate::headers::is_hop_by_hop;

/// Headers with one value that the gateway, its plugins or the upstream decide by.
const ONCE: [&str; 9] = [
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

/// What `Connection` says of the connection itself; none of it is a header.
const OPTIONS: [&str; 2] = ["close", "keep-alive"];

/// Checks that every header says the same to everybody.
///
/// # Errors
///
/// Says which one does not.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), String> {
    // Hardly any request repeats a header.
    if headers.keys_len() != headers.len()
        && let Some(name) = ONCE.into_iter().find(|name| is_repeated(headers, name))
    {
        return Err(format!("{name} can come once, and came more often"));
    }
    let mut connection = headers.get_all(header::CONNECTION).iter();
    match connection.find_map(|value| ended_by(value, headers)) {
        None => Ok(()),
        Some(name) => Err(format!(
            "the connection header names {name}, which is not of the connection: leave it out there"
        )),
    }
}

fn is_repeated(headers: &HeaderMap, name: &str) -> bool {
    headers.get_all(name).iter().nth(1).is_some()
}

/// The header of the whole exchange that this value would have end here.
fn ended_by(value: &HeaderValue, headers: &HeaderMap) -> Option<HeaderName> {
    value
        .as_bytes()
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|word| {
            !OPTIONS
                .iter()
                .any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
        })
        .filter_map(|word| HeaderName::from_bytes(word).ok())
        .find(|name| headers.contains_key(name) && !ends_here(name))
}

/// Whether a header goes no further in any case: one of the connection, or for a proxy.
fn ends_here(name: &HeaderName) -> bool {
    is_hop_by_hop(name) || *name == header::PROXY_AUTHORIZATION
}
