//! Header hygiene per hop: what a message carries to the other side, in the order and case it came in.
//!
//! Hop-by-hop headers end here, on both sides, and so do credentials and a caller's `x-vmx-*`. Everything else passes, whatever it is called:
//! an unknown `anthropic-*` header is somebody's feature. Heads are built in one ordered pass, because removing from a
//! header map reorders it.

mod of_plugins;
mod secrets;

pub(crate) use self::of_plugins::{of_the_host, plugin_header, that_plugins_may_set};

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use pingora_http::{RequestHeader, ResponseHeader};
use smallvec::SmallVec;

use crate::answer::cors::{self, Word};
use crate::config::upstream::VmxHeaders;
use crate::upstream::kind::Shown;

pub(crate) use self::secrets::{Spill, shows_ours, spill};

/// Headers that may carry a caller's credential. They never reach an upstream, a plugin or a log.
const CREDENTIALS: [&str; 5] = [
    "authorization",
    "x-api-key",
    "x-witgate-key",
    "proxy-authorization",
    "cookie",
];

/// Headers of one connection (RFC 9110, section 7.6.1, RFC 7540, section 3.2.1, and those in older use).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "expect",
];

/// What an upstream head is made of, besides the client's own.
pub(crate) struct Forwarded<'a> {
    /// Path and query at the upstream.
    pub(crate) target: &'a str,
    /// The `Host` header.
    pub(crate) authority: &'a str,
    /// The credential that the upstream is shown.
    pub(crate) shown: &'a Shown,
    /// Whether the body is in the coding that the client's headers say.
    pub(crate) coding: BodyCoding,
    /// Length of the body; none for a request without one.
    pub(crate) body_len: Option<usize>,
    /// What becomes of headers that are meant for a gateway.
    pub(crate) vmx_headers: VmxHeaders,
}

/// How a request's body goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyCoding {
    /// As the client sent it.
    AsSent,
    /// Plain, although the client's was compressed: it was decoded to be edited.
    Decoded,
}

/// The names of the headers that may carry a credential, for those who keep them from plugins.
pub(crate) fn credentials() -> Arc<[String]> {
    CREDENTIALS.map(str::to_owned).into()
}

/// Whether a header may carry a credential.
pub(crate) fn is_credential(name: &str) -> bool {
    CREDENTIALS
        .iter()
        .any(|credential| name.eq_ignore_ascii_case(credential))
}

/// Whether a header is meant for a gateway, and says nothing to the API.
fn is_for_gateway(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-vmx-")
}

/// Whether a header is of one connection. A request's `Connection` names no others: `wire` refuses those.
pub(crate) fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(&name.as_str())
}

/// The headers that the `Connection` of an answer names. It cannot name those that say what the answer is.
fn named_by_connection(headers: &HeaderMap) -> SmallVec<[HeaderName; 2]> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse::<HeaderName>().ok())
        .filter(|name| !name.as_str().starts_with("content-"))
        .collect()
}

/// The secrets that a caller presents, in the order in which they are tried. Beside an `x-witgate-key` the other headers
/// are not for the gateway: they may be the caller's own credential at an upstream.
pub(crate) fn presented(headers: &HeaderMap) -> SmallVec<[&[u8]; 2]> {
    let key = |name: &'static str| headers.get(name).map(HeaderValue::as_bytes);
    let secrets = match key("x-witgate-key") {
        Some(own) => [Some(own), None],
        None => [key("x-api-key"), key("authorization").and_then(bearer)],
    };
    secrets
        .into_iter()
        .flatten()
        .filter(|secret| !secret.is_empty())
        .collect()
}

/// The token of a bearer (RFC 6750, section 2.1), behind any white space.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(6)?;
    let begins = token
        .first()
        .is_some_and(|byte| matches!(byte, b' ' | b'\t'));
    (begins && scheme.eq_ignore_ascii_case(b"bearer")).then(|| token.trim_ascii())
}

/// The headers with the lines of each name as one, as a list is read (RFC 9110, section 5.3): for readers who look at one
/// value only.
pub(crate) fn folded(headers: &HeaderMap) -> HeaderMap {
    if headers.keys_len() == headers.len() {
        return headers.clone();
    }
    let mut folded = HeaderMap::with_capacity(headers.keys_len());
    for name in headers.keys() {
        let lines: Vec<&[u8]> = headers
            .get_all(name)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect();
        // What were values make one together.
        if let Ok(value) = HeaderValue::from_bytes(&lines.join(&b", "[..])) {
            folded.insert(name.clone(), value);
        }
    }
    folded
}

/// Writes the head of an upstream request, with room for `body` behind it.
pub(crate) fn write_request_head(
    request: &RequestHeader,
    forwarded: &Forwarded<'_>,
    room: usize,
) -> BytesMut {
    let mut wire = BytesMut::with_capacity(1024 + room);
    wire.put_slice(request.method.as_str().as_bytes());
    wire.put_u8(b' ');
    wire.put_slice(forwarded.target.as_bytes());
    wire.put_slice(b" HTTP/1.1\r\n");

    let mut own = match forwarded.shown {
        Shown::Own(header, secret) => Some((header.name(), secret.as_bytes())),
        Shown::Nothing | Shown::Callers => None,
    };
    let passes_callers = matches!(forwarded.shown, Shown::Callers);
    let mut length = forwarded.body_len;
    let mut host = Some(forwarded.authority);
    let mut write = |name: &[u8], standard: &HeaderName, value: &HeaderValue| {
        if *standard == header::HOST {
            if let Some(authority) = host.take() {
                put_header(&mut wire, name, authority.as_bytes());
            }
        } else if *standard == header::CONTENT_LENGTH {
            if let Some(length) = length.take() {
                put_header(&mut wire, name, length.to_string().as_bytes());
            }
        } else if is_credential(standard.as_str()) {
            // The upstream's own takes the place of the first one.
            if let Some((own, secret)) = own.take() {
                put_header(&mut wire, own.as_bytes(), secret);
            } else if passes_callers && is_for_upstream(standard) {
                put_header(&mut wire, name, value.as_bytes());
            }
        } else if forwarded.vmx_headers == VmxHeaders::EndHere && is_for_gateway(standard) {
            // The plugins have read it.
        } else if *standard == header::CONTENT_ENCODING && forwarded.coding == BodyCoding::Decoded {
            // The body is plain now.
        } else if !is_hop_by_hop(standard) {
            put_header(&mut wire, name, value.as_bytes());
        }
    };
    if request.has_case() {
        for ((standard, value), (name, _)) in request.headers.iter().zip(request.case_header_iter())
        {
            write(name.as_slice(), standard, value);
        }
    } else {
        for (standard, value) in &request.headers {
            write(standard.as_str().as_bytes(), standard, value);
        }
    }

    if let Some(authority) = host {
        put_header(&mut wire, b"Host", authority.as_bytes());
    }
    if let Some((own, secret)) = own {
        put_header(&mut wire, own.as_bytes(), secret);
    }
    if let Some(length) = length {
        put_header(&mut wire, b"Content-Length", length.to_string().as_bytes());
    }
    wire.put_slice(b"\r\n");
    wire
}

/// Writes the head of the gateway's own GET to an upstream: a health check.
pub(crate) fn write_check_head(target: &str, authority: &str, shown: &Shown) -> BytesMut {
    let mut wire = BytesMut::with_capacity(256);
    wire.put_slice(b"GET ");
    wire.put_slice(target.as_bytes());
    wire.put_slice(b" HTTP/1.1\r\n");
    put_header(&mut wire, b"Host", authority.as_bytes());
    put_header(&mut wire, b"Accept", b"application/json");
    put_header(&mut wire, b"User-Agent", b"witgate-health");
    put_header(&mut wire, b"anthropic-version", b"2023-06-01");
    if let Shown::Own(header, secret) = shown {
        put_header(&mut wire, header.name().as_bytes(), secret.as_bytes());
    }
    wire.put_slice(b"\r\n");
    wire
}

/// Whether a credential's header is one that an upstream may be shown as it came.
fn is_for_upstream(name: &HeaderName) -> bool {
    matches!(name.as_str(), "authorization" | "x-api-key")
}

fn put_header(wire: &mut BytesMut, name: &[u8], value: &[u8]) {
    wire.put_slice(name);
    wire.put_slice(b": ");
    wire.put_slice(value);
    wire.put_slice(b"\r\n");
}

/// How the body of an answer is delimited on the client's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By the upstream's `Content-Length`, or by there being none.
    AsGiven,
    /// In chunks.
    Chunked,
    /// By the end of the connection, for HTTP/1.0 clients.
    UntilClose,
}

/// What the gateway puts on an upstream's answer.
pub(crate) struct Additions {
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Whose word on CORS the answer carries.
    pub(crate) cors: Word,
}

/// Longest id of a request that is kept of an upstream's.
const LONGEST_ID: usize = 256;

/// The id that an upstream gave a request: the API's own, or the one that other servers have.
pub(crate) fn request_id(head: &ResponseHeader) -> Option<&str> {
    ["request-id", "x-request-id"]
        .into_iter()
        .find_map(|name| head.headers.get(name)?.to_str().ok())
        .filter(|id| (1..=LONGEST_ID).contains(&id.len()))
}

/// Builds the head of the client's answer from the upstream's, with `additions` behind it.
///
/// # Errors
///
/// Fails when the HTTP layer refuses the status or a header, which the upstream's parsed head does not cause.
pub(crate) fn response_head(
    upstream: &ResponseHeader,
    framing: Framing,
    additions: &Additions,
) -> pingora_core::Result<ResponseHeader> {
    let extra = &additions.headers;
    let mut head = ResponseHeader::build(
        upstream.status,
        Some(upstream.headers.len() + extra.len() + 3),
    )?;
    head.set_reason_phrase(upstream.get_reason_phrase())?;
    let named = named_by_connection(&upstream.headers);
    let passes = |name: &HeaderName| {
        // What an answer varies by adds up.
        let replaced = *name != header::VARY && extra.iter().any(|(own, _)| own == name);
        let foreign = additions.cors == Word::Ours && cors::is_word(name);
        !is_hop_by_hop(name) && !named.contains(name) && !replaced && !foreign
    };
    if upstream.has_case() {
        for ((standard, value), (name, _)) in
            upstream.headers.iter().zip(upstream.case_header_iter())
        {
            if passes(standard) {
                head.append_header(name.clone(), value.clone())?;
            }
        }
    } else {
        for (name, value) in &upstream.headers {
            if passes(name) {
                head.append_header(name, value.clone())?;
            }
        }
    }
    for (name, value) in extra {
        head.append_header(name.clone(), value.clone())?;
    }
    if framing == Framing::Chunked {
        head.append_header(
            header::TRANSFER_ENCODING,
            HeaderValue::from_static("chunked"),
        )?;
    }
    Ok(head)
}

#[cfg(test)]
mod tests;
