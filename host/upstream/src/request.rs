//! A request to an upstream as a value: its method, path, headers in their order and case, framing, and body.
//!
//! The value does not hold the upstream's address or its credential. Those are filled in when the request is written,
//! by `connection/h1` or `connection/h2`, so a request can be repeated with a renewed credential.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

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
    /// The framing of the body.
    pub framing: Framing,
    /// The parts of the body; empty for a body that is sent piece by piece.
    pub body: &'a [Bytes],
}

/// Headers in their order and case. Names and values share the bytes of the client's.
#[derive(Debug, Default)]
pub struct Headers {
    list: Vec<Entry>,
    /// The names as they are spelled, one behind the other.
    spellings: Vec<u8>,
}

#[derive(Debug)]
struct Entry {
    name: HeaderName,
    value: HeaderValue,
    role: Role,
    /// The end of the spelling of the name.
    spelled_to: usize,
}

/// A header of a request.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    /// The name.
    pub name: &'a HeaderName,
    /// The name in the case in which HTTP/1.1 sends it.
    pub spelling: &'a [u8],
    /// The value.
    pub value: &'a HeaderValue,
    /// The treatment of the value.
    pub role: Role,
}

/// The treatment of a header's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sent as it is.
    Plain,
    /// A credential of the caller: the upstream's own takes the place of the first one.
    Credential,
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

/// Returns whether an upstream may be sent the caller's credential in this header.
pub fn is_callers_credential(name: &HeaderName) -> bool {
    matches!(name.as_str(), "authorization" | "x-api-key")
}

// === impl Request ===

impl Request<'_> {
    /// Returns the length of the body at hand, in bytes.
    pub(crate) fn body_len(&self) -> usize {
        self.body.iter().map(Bytes::len).sum()
    }
}

// === impl Headers ===

impl Headers {
    /// Returns an empty list with room for so many headers.
    pub fn with_capacity(headers: usize) -> Self {
        Self {
            list: Vec::with_capacity(headers),
            spellings: Vec::with_capacity(headers * 24),
        }
    }

    /// Adds a header.
    pub fn push(&mut self, name: HeaderName, spelling: &[u8], value: HeaderValue, role: Role) {
        self.spellings.extend_from_slice(spelling);
        self.list.push(Entry {
            name,
            value,
            role,
            spelled_to: self.spellings.len(),
        });
    }

    /// Adds a header of the gateway's own, whose name is sent in lower case.
    pub fn push_own(&mut self, name: &HeaderName, value: HeaderValue) {
        self.push(name.clone(), name.as_str().as_bytes(), value, Role::Plain);
    }

    /// Returns the number of headers.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns the headers in their order.
    pub fn iter(&self) -> impl Iterator<Item = Header<'_>> {
        let mut from = 0;
        self.list.iter().map(move |entry| {
            let spelling = self.spellings.get(from..entry.spelled_to);
            from = entry.spelled_to;
            Header {
                name: &entry.name,
                spelling: spelling.unwrap_or_default(),
                value: &entry.value,
                role: entry.role,
            }
        })
    }
}
