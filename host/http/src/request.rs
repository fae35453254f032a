//! The head of a request.

use std::mem::MaybeUninit;

use http::{HeaderMap, Method, Version};

use crate::headers::{Headers, Value};

/// Limit of header lines of a request.
const MAX_LINES: usize = 256;

/// The head of a request.
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: Box<str>,
    /// The version of HTTP.
    pub version: Version,
    /// The header lines.
    pub headers: Headers,
}

/// The reason why bytes are no head of a request that can be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// Too many header lines.
    #[error("it has more than {MAX_LINES} header lines")]
    TooManyLines,
    /// Bytes that are not valid HTTP/1.
    #[error("it is not valid HTTP/1.1")]
    Invalid,
    /// Several hosts, or a user beside the host.
    #[error("it names its host in several ways")]
    Host,
}

// === impl RequestHead ===

impl RequestHead {
    /// Returns the head of an HTTP/2 request.
    pub fn of_http2(method: Method, path: &str, headers: &HeaderMap) -> Self {
        Self {
            method,
            path: path.into(),
            version: Version::HTTP_2,
            headers: headers.into(),
        }
    }

    /// Parses a head of HTTP/1. Returns it with its length in bytes, or `None` if it is not whole.
    ///
    /// # Errors
    ///
    /// It is no head, or it names no host or two (RFC 9112, section 3.2).
    pub fn parse(bytes: &[u8]) -> Result<Option<(usize, Self)>, BadRequest> {
        let mut lines = [const { MaybeUninit::uninit() }; MAX_LINES];
        let mut parsed = httparse::Request::new(&mut []);
        let length = match parsed.parse_with_uninit_headers(bytes, &mut lines) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(BadRequest::TooManyLines),
            Err(_) => return Err(BadRequest::Invalid),
        };
        let method = Method::from_bytes(parsed.method.unwrap_or_default().as_bytes());
        let target = parsed.path.unwrap_or_default();
        let mut headers = Headers::for_head(length, parsed.headers.len());
        for line in &*parsed.headers {
            headers.add(line.name, line.value);
        }
        let head = Self {
            method: method.map_err(|_| BadRequest::Invalid)?,
            path: path(target, &headers)?.into(),
            version: match parsed.version {
                Some(0) => Version::HTTP_10,
                _ => Version::HTTP_11,
            },
            headers,
        };
        Ok(Some((length, head)))
    }

    /// Returns the path without the query.
    pub fn path_only(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// Returns the query, without its question mark.
    pub fn query(&self) -> Option<&str> {
        self.path.split_once('?').map(|(_, query)| query)
    }
}

/// Returns the path and query of a request's target (RFC 9112, section 3.2).
///
/// # Errors
///
/// The target is none, or it and `Host` don't name the same host.
fn path<'a>(target: &'a str, headers: &Headers) -> Result<&'a str, BadRequest> {
    let mut hosts = headers.get_all(&"host");
    let host = hosts.next().map(Value::as_bytes);
    if hosts.next().is_some() || host.is_some_and(|host| host.contains(&b'@')) {
        return Err(BadRequest::Host);
    }
    // A fragment is for clients only.
    let target = target.split('#').next().unwrap_or_default();
    if target.starts_with('/') || target == "*" {
        return Ok(target);
    }
    let (scheme, rest) = target.split_once("://").ok_or(BadRequest::Invalid)?;
    if !["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
    {
        return Err(BadRequest::Invalid);
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains(['@', '\\']) || host.is_some_and(|host| host != authority.as_bytes()) {
        return Err(BadRequest::Host);
    }
    match path {
        "" => Ok("/"),
        path if path.starts_with('/') => Ok(path),
        _ => Err(BadRequest::Invalid),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Option<(usize, RequestHead)>, BadRequest> {
        RequestHead::parse(text.as_bytes())
    }

    fn path_of(start: &str) -> Result<String, BadRequest> {
        let parsed = parse(&format!("{start}\r\n\r\n"))?;
        Ok(parsed.expect("it is whole").1.path.into())
    }

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let text = "POST /v1/messages?a=b HTTP/1.1\r\nHost: x\r\nX-Api-Key:  k \r\n\r\n{}";
        let head = text.len() - 2;
        for end in 0..head {
            assert!(matches!(parse(&text[..end]), Ok(None)), "{end}");
        }
        let (length, parsed) = parse(text).expect("it is valid").expect("it is whole");
        assert_eq!(length, head);
        assert_eq!(parsed.method, Method::POST);
        assert_eq!(
            (parsed.path_only(), parsed.query()),
            ("/v1/messages", Some("a=b"))
        );
        assert_eq!(parsed.version, Version::HTTP_11);
        assert_eq!(
            parsed.headers.get("x-api-key").and_then(Value::to_str),
            Some("k")
        );
    }

    #[test]
    fn a_target_may_name_the_host_again() {
        for (start, path) in [
            ("GET / HTTP/1.0", "/"),
            ("OPTIONS * HTTP/1.1\r\nHost: a", "*"),
            ("GET /a?b#c HTTP/1.1\r\nHost: a", "/a?b"),
            ("GET HTTP://a:1/b HTTP/1.1\r\nHost: a:1", "/b"),
            ("GET http://a HTTP/1.1\r\nHost: a", "/"),
        ] {
            assert_eq!(path_of(start).as_deref(), Ok(path), "{start}");
        }
    }

    #[test]
    fn a_target_that_names_another_host_is_refused() {
        for (start, reason) in [
            ("GET http://a/b HTTP/1.1\r\nHost: b", BadRequest::Host),
            ("GET http://u@a/b HTTP/1.1\r\nHost: u@a", BadRequest::Host),
            ("GET http://a\\b/b HTTP/1.1", BadRequest::Host),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a", BadRequest::Host),
            ("GET / HTTP/1.1\r\nHost: a@b", BadRequest::Host),
            ("GET ftp://a/b HTTP/1.1", BadRequest::Invalid),
            ("GET a/b HTTP/1.1", BadRequest::Invalid),
            ("CONNECT a:80 HTTP/1.1\r\nHost: a:80", BadRequest::Invalid),
            ("GET  / HTTP/1.1", BadRequest::Invalid),
            ("GET / HTTP/1.2", BadRequest::Invalid),
            ("GET / HTTP/1.1\r\na : b", BadRequest::Invalid),
            ("GET / HTTP/1.1\r\na: b\r\n c", BadRequest::Invalid),
        ] {
            assert_eq!(path_of(start), Err(reason), "{start}");
        }
        let many = "a: b\r\n".repeat(MAX_LINES + 1);
        assert_eq!(
            path_of(&format!("GET / HTTP/1.1\r\n{many}")),
            Err(BadRequest::TooManyLines)
        );
    }

    /// Bytes that look like a head now and then.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        const PIECES: [&[u8]; 11] = [
            b"GET / HTTP/1.1\r\n",
            b"POST http://a/b HTTP/1.0\n",
            b"Host: a\r\n",
            b"X-A:",
            b" b\t c ",
            b"\r\n",
            b"\n",
            b"\0",
            b"\xff",
            b"a",
            b":",
        ];
        let piece = proptest::sample::select(&PIECES[..]);
        let pieces = proptest::collection::vec(piece, 0..12);
        prop_oneof![
            pieces.prop_map(|pieces| pieces.concat()),
            proptest::collection::vec(any::<u8>(), 0..64),
        ]
    }

    proptest! {
        #[test]
        fn a_head_that_is_read_and_written_is_read_in_the_same_way(bytes in bytes()) {
            let Ok(Some((length, head))) = RequestHead::parse(&bytes) else {
                return Ok(());
            };
            prop_assert!(length <= bytes.len());
            let mut wire = format!("{} {} HTTP/1.1\r\n", head.method, head.path).into_bytes();
            head.headers.write(&mut wire);
            wire.extend_from_slice(b"\r\n");
            let lines = wire.split(|byte| *byte == b'\n').count();
            prop_assert_eq!(lines, head.headers.len() + 3, "no value ends its line");
            let again = RequestHead::parse(&wire).expect("it is valid").expect("it is whole");
            prop_assert_eq!(again.0, wire.len());
            prop_assert_eq!(&again.1.path, &head.path);
            let fields = |head: &RequestHead| {
                let fields = head.headers.iter();
                fields
                    .map(|field| (field.spelling.to_vec(), field.value.as_bytes().to_vec()))
                    .collect::<Vec<_>>()
            };
            prop_assert_eq!(fields(&again.1), fields(&head));
        }
    }
}
