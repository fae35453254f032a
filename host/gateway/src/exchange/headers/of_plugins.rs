//! Headers that a plugin may set on an answer: extensions of its own, and a few that describe the answer. Headers that
//! browsers or SDKs act upon belong to the gateway or the upstream.

use std::sync::Arc;

use http::HeaderValue;
use http::header::HeaderName;

use witgate_upstream::credentials;

use super::HOP_BY_HOP;

/// Names that a plugin may set, or prefixes followed by `*`.
const ALLOWED: [&str; 6] = [
    "anthropic-ratelimit-*",
    "cache-control",
    "deprecation",
    "server-timing",
    "sunset",
    "x-*",
];

/// Exceptions to [`ALLOWED`] that SDKs, browsers, and proxies in front act upon.
const RESERVED: [&str; 13] = [
    "x-accel-*",
    "x-content-type-options",
    "x-dns-prefetch-control",
    "x-forwarded-*",
    "x-frame-options",
    "x-lighttpd-*",
    "x-original-*",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-*",
    "x-sendfile*",
    "x-should-retry",
    "x-xss-protection",
];

/// Headers that describe the answer, and `set-cookie`, which would make clients store something for a host that is not
/// the plugin's.
const OF_THE_ANSWER: [&str; 5] = [
    "content-length",
    "content-encoding",
    "content-type",
    "date",
    "set-cookie",
];

/// The gateway's own headers.
const OWN: &str = "witgate-*";

/// Returns the names of the answer headers that no plugin can set.
pub(crate) fn of_the_host() -> Arc<[String]> {
    host().map(str::to_owned).collect()
}

/// Returns the names of the answer headers that a plugin may set, unless they are the host's.
pub(crate) fn that_plugins_may_set() -> Arc<[String]> {
    ALLOWED.map(str::to_owned).into()
}

/// Returns a header that a plugin sets on the answer, or `None` if a plugin may not set it. The plugin's log has
/// reported those.
pub(crate) fn plugin_header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name: HeaderName = name.parse().ok()?;
    let is_of = |pattern: &str| match pattern.strip_suffix('*') {
        Some(beginning) => name.as_str().starts_with(beginning),
        None => name.as_str() == pattern,
    };
    if !ALLOWED.into_iter().any(is_of) || host().any(is_of) {
        return None;
    }
    Some((name, HeaderValue::from_str(value).ok()?))
}

fn host() -> impl Iterator<Item = &'static str> {
    let names = HOP_BY_HOP.into_iter().chain(credentials().iter().copied());
    names.chain(OF_THE_ANSWER).chain(RESERVED).chain([OWN])
}
