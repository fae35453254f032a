//! A request to an upstream as a value: its method, path, headers in their order and case, framing, and body.
//!
//! The value does not hold the upstream's address or its credential. Those are filled in when the request is written,
//! by `connection/h1` or `connection/h2`, so a request can be repeated with a renewed credential.

use bytes::Bytes;
use http::Method;
use witgate_http::Headers;

/// A request to an upstream.
#[derive(Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query of the API, below the path prefix of the upstream's base URL.
    pub path: &'a str,
    /// The headers in the order in which they are sent. `Host` and `Content-Length` mark the places of the upstream's own,
    /// which come last where they are missing.
    pub headers: Headers,
    /// The origin of the headers.
    pub headers_of: HeadersOf,
    /// The framing of the body.
    pub framing: Framing,
    /// The parts of the body; empty for a body that is sent piece by piece.
    pub body: &'a [Bytes],
}

/// The origin of a request's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadersOf {
    /// A caller: the upstream's own credential takes the place of the first one of the caller's, and the others are left out.
    Caller,
    /// The gateway: all are sent as they are.
    Gateway,
}

/// The framing of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No body, and no header that speaks of one.
    None,
    /// A body of this many bytes.
    Length(u64),
    /// A body in chunks (RFC 9112, section 7.1).
    Chunked,
}

/// Headers that may carry a credential of the caller.
const CREDENTIALS: [&str; 5] = [
    "authorization",
    "x-api-key",
    "x-witgate-key",
    "proxy-authorization",
    "cookie",
];

/// Returns the names of the headers that may carry a credential of the caller, in lower case.
pub fn credentials() -> &'static [&'static str] {
    &CREDENTIALS
}

/// Returns whether a header may carry a credential of the caller. The name is given in lower case.
pub fn is_credential(name: &str) -> bool {
    CREDENTIALS.contains(&name)
}

/// Returns whether an upstream may be sent the caller's credential in this header. The name is given in lower case.
pub fn is_callers_credential(name: &str) -> bool {
    matches!(name, "authorization" | "x-api-key")
}

// === impl Request ===

impl Request<'_> {
    /// Returns the length of the body at hand, in bytes.
    pub(crate) fn body_len(&self) -> usize {
        self.body.iter().map(Bytes::len).sum()
    }
}
