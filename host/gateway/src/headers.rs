//! Header hygiene per hop: what a message carries to the other side, in the order and case it came in.
//!
//! Hop-by-hop headers end here, on both sides, and so do credentials. Everything else passes, whatever it is called:
//! an unknown `anthropic-*` header is somebody's feature. Heads are built in one ordered pass, because removing from a
//! header map reorders it.

use bytes::{BufMut, BytesMut};
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use pingora_http::{RequestHeader, ResponseHeader};
use smallvec::SmallVec;

use crate::config::CredentialHeader;

/// Headers that may carry a caller's credential. They never reach an upstream, a plugin or a log.
const CREDENTIALS: [&str; 5] = [
    "authorization",
    "x-api-key",
    "x-witgate-key",
    "proxy-authorization",
    "cookie",
];

/// Headers of one connection (RFC 9110, section 7.6.1, and those in older use).
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

/// What an upstream head is made of, besides the client's own.
pub(crate) struct Forwarded<'a> {
    /// Path and query at the upstream.
    pub(crate) target: &'a str,
    /// The `Host` header.
    pub(crate) authority: &'a str,
    /// The upstream's credential.
    pub(crate) credential: Option<(CredentialHeader, &'a HeaderValue)>,
    /// Length of the body; none for a request without one.
    pub(crate) body_len: Option<usize>,
}

/// Whether a header may carry a credential.
pub(crate) fn is_credential(name: &str) -> bool {
    CREDENTIALS
        .iter()
        .any(|credential| name.eq_ignore_ascii_case(credential))
}

fn is_hop_by_hop(name: &HeaderName, named: &[HeaderName]) -> bool {
    HOP_BY_HOP.contains(&name.as_str()) || named.contains(name)
}

/// The headers that `Connection` names. It cannot name those that frame the message.
fn named_by_connection(headers: &HeaderMap) -> SmallVec<[HeaderName; 2]> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse::<HeaderName>().ok())
        .filter(|name| {
            *name != header::CONTENT_LENGTH
                && *name != header::HOST
                && *name != header::CONTENT_TYPE
        })
        .collect()
}

/// The secrets that a caller presents, in the order in which they are tried.
pub(crate) fn presented(headers: &HeaderMap) -> SmallVec<[&[u8]; 2]> {
    let key = |name: &'static str| headers.get(name).map(HeaderValue::as_bytes);
    let bearer = key("authorization").and_then(|value| {
        let (scheme, token) = value.split_at_checked(7)?;
        scheme
            .eq_ignore_ascii_case(b"bearer ")
            .then(|| token.trim_ascii())
    });
    [key("x-witgate-key"), key("x-api-key"), bearer]
        .into_iter()
        .flatten()
        .filter(|secret| !secret.is_empty())
        .collect()
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

    let named = named_by_connection(&request.headers);
    let mut credential = forwarded.credential;
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
            if let Some((kind, secret)) = credential.take() {
                put_header(&mut wire, kind.name().as_bytes(), secret.as_bytes());
            }
        } else if !is_hop_by_hop(standard, &named) {
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
    if let Some((kind, secret)) = credential {
        put_header(&mut wire, kind.name().as_bytes(), secret.as_bytes());
    }
    if let Some(length) = length {
        put_header(&mut wire, b"Content-Length", length.to_string().as_bytes());
    }
    wire.put_slice(b"\r\n");
    wire
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

/// Builds the head of the client's answer from the upstream's, with `extra` behind it.
///
/// # Errors
///
/// Fails when the HTTP layer refuses the status or a header, which the upstream's parsed head does not cause.
pub(crate) fn response_head(
    upstream: &ResponseHeader,
    framing: Framing,
    extra: &[(HeaderName, HeaderValue)],
) -> pingora_core::Result<ResponseHeader> {
    let mut head = ResponseHeader::build(
        upstream.status,
        Some(upstream.headers.len() + extra.len() + 3),
    )?;
    head.set_reason_phrase(upstream.get_reason_phrase())?;
    let named = named_by_connection(&upstream.headers);
    let passes = |name: &HeaderName| {
        !is_hop_by_hop(name, &named) && !extra.iter().any(|(own, _)| own == name)
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

/// A header that a plugin wants on the answer, unless it is one that only the host may set.
pub(crate) fn plugin_header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name: HeaderName = name.parse().ok()?;
    let reserved = HOP_BY_HOP.contains(&name.as_str())
        || is_credential(name.as_str())
        || matches!(
            name.as_str(),
            "content-length" | "content-encoding" | "content-type" | "date" | "set-cookie"
        )
        || name.as_str().starts_with("witgate-");
    if reserved {
        None
    } else {
        Some((name, HeaderValue::from_str(value).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&'static str, &'static str)]) -> RequestHeader {
        let mut request = RequestHeader::build("POST", b"/v1/messages?beta=true", None).unwrap();
        for (name, value) in headers {
            request.append_header(*name, *value).unwrap();
        }
        request
    }

    fn wire(request: &RequestHeader) -> String {
        let secret = HeaderValue::from_static("upstream-secret");
        let forwarded = Forwarded {
            target: "/v1/messages?beta=true",
            authority: "api.example",
            credential: Some((CredentialHeader::ApiKey, &secret)),
            body_len: Some(7),
        };
        String::from_utf8(write_request_head(request, &forwarded, 0).to_vec()).unwrap()
    }

    #[test]
    fn headers_keep_their_order_and_case_and_credentials_are_swapped_in_place() {
        let request = request(&[
            ("Accept", "application/json"),
            ("Authorization", "Bearer virtual"),
            ("X-Claude-Code-Session-Id", "s"),
            ("anthropic-beta", "a-1,b-2"),
            ("x-api-key", "virtual"),
            ("x-app", "cli"),
            ("Connection", "keep-alive"),
            ("Host", "127.0.0.1:1"),
            ("Content-Length", "9"),
        ]);
        assert_eq!(
            wire(&request),
            "POST /v1/messages?beta=true HTTP/1.1\r\nAccept: application/json\r\nx-api-key: upstream-secret\r\n\
             X-Claude-Code-Session-Id: s\r\nanthropic-beta: a-1,b-2\r\nx-app: cli\r\nHost: api.example\r\n\
             Content-Length: 7\r\n\r\n",
            "the upstream's head"
        );
    }

    #[test]
    fn what_connection_names_ends_here_but_it_cannot_name_the_framing() {
        let request = request(&[
            ("Connection", "close, X-Private, Content-Length"),
            ("X-Private", "1"),
            ("TE", "trailers"),
            ("Content-Length", "7"),
        ]);
        let wire = wire(&request);
        assert!(
            !wire.contains("X-Private") && !wire.contains("TE:"),
            "hop-by-hop headers end here:\n{wire}"
        );
        assert!(
            wire.contains("Content-Length: 7"),
            "the framing stays:\n{wire}"
        );
    }

    #[test]
    fn either_credential_header_is_read() {
        let request = request(&[("authorization", "bearer  two"), ("x-api-key", "one")]);
        assert_eq!(
            presented(&request.headers).as_slice(),
            [b"one".as_slice(), b"two"],
            "both, in order of trial"
        );
    }

    #[test]
    fn a_plugin_cannot_set_headers_that_frame_the_answer_or_speak_for_the_host() {
        for name in [
            "Content-Length",
            "transfer-encoding",
            "witgate-request-id",
            "set-cookie",
            "bad name",
        ] {
            assert_eq!(plugin_header(name, "1"), None, "{name}");
        }
        assert!(
            plugin_header("x-vmx-correlation-id", "c-1").is_some(),
            "its own headers pass"
        );
        assert_eq!(
            plugin_header("x-a", "line\nbreak"),
            None,
            "no header can be smuggled in a value"
        );
    }
}
