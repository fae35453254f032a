//! The head of a response.

use std::mem::MaybeUninit;

use http::{HeaderMap, StatusCode, Version};

use crate::body::{Chunk, Rest};
use crate::headers::Headers;

/// Limit of header lines of a response.
const MAX_LINES: usize = 256;

/// The head of a response.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// The status.
    pub status: StatusCode,
    /// The reason phrase, or `None` for that of the status.
    pub reason: Option<Box<str>>,
    /// The version of HTTP.
    pub version: Version,
    /// The header lines.
    pub headers: Headers,
}

/// The reason why bytes are no head of a response that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadResponse {
    /// Bytes that are not valid HTTP/1.
    #[error("its head can't be parsed: {0}")]
    Invalid(httparse::Error),
    /// A status that is no number between 100 and 999.
    #[error("its status is not valid")]
    Status,
    /// A length that is no number, or two of them.
    #[error("its Content-Length is not valid")]
    Length,
}

// === impl ResponseHead ===

impl ResponseHead {
    /// Returns a head without header lines.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            reason: None,
            version: Version::HTTP_11,
            headers: Headers::default(),
        }
    }

    /// Returns the head of an HTTP/2 response.
    pub fn of_http2(status: StatusCode, headers: &HeaderMap) -> Self {
        Self {
            status,
            reason: None,
            version: Version::HTTP_2,
            headers: headers.into(),
        }
    }

    /// Parses a head of HTTP/1, as leniently as RFC 9112 allows proxies to. Returns it with its length in bytes, or `None` if it is
    /// not whole. A length beside chunks is left out (RFC 9112, section 6.3).
    ///
    /// # Errors
    ///
    /// It is no head.
    pub fn parse(bytes: &[u8]) -> Result<Option<(usize, Self)>, BadResponse> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let mut lines = [const { MaybeUninit::uninit() }; MAX_LINES];
        let mut parsed = httparse::Response::new(&mut []);
        let mut parser = httparse::ParserConfig::default();
        parser.allow_spaces_after_header_name_in_responses(true);
        parser.allow_obsolete_multiline_headers_in_responses(true);
        let length = match parser.parse_response_with_uninit_headers(&mut parsed, bytes, &mut lines)
        {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(BadResponse::Invalid(error)),
        };
        let status = StatusCode::from_u16(parsed.code.unwrap_or_default())
            .map_err(|_| BadResponse::Status)?;
        let has_coding = parsed
            .headers
            .iter()
            .any(|line| line.name.eq_ignore_ascii_case("transfer-encoding"));
        let mut headers = Headers::for_head(length, parsed.headers.len());
        for line in &*parsed.headers {
            if has_coding && line.name.eq_ignore_ascii_case("content-length") {
                continue;
            }
            if line.value.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
                headers.add(line.name, &unfolded(line.value));
            } else {
                headers.add(line.name, line.value);
            }
        }
        let reason = parsed
            .reason
            .filter(|reason| Some(*reason) != status.canonical_reason());
        let head = Self {
            status,
            reason: reason.map(Into::into),
            version: match parsed.version {
                Some(0) => Version::HTTP_10,
                _ => Version::HTTP_11,
            },
            headers,
        };
        Ok(Some((length, head)))
    }

    /// Writes the status line as HTTP/1.1 sends it.
    pub fn write_status(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(self.status.as_str().as_bytes());
        out.push(b' ');
        let reason = self.reason.as_deref().or(self.status.canonical_reason());
        out.extend_from_slice(reason.unwrap_or_default().as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    /// Returns the body that follows the head of a response that has one (RFC 9112, section 6.3).
    ///
    /// # Errors
    ///
    /// The head does not say where the body ends, or says it twice.
    pub fn rest(&self) -> Result<Rest, BadResponse> {
        if let Some(coding) = self.headers.get_all(&"transfer-encoding").last() {
            let last = coding.as_bytes().rsplit(|byte| *byte == b',').next();
            let is_chunked =
                last.is_some_and(|last| last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
            return Ok(match is_chunked {
                true => Rest::Chunks(Chunk::Size),
                false => Rest::UntilClose,
            });
        }
        Ok(self.length()?.map_or(Rest::UntilClose, Rest::Length))
    }

    /// Returns the length that `Content-Length` gives, which may be repeated.
    ///
    /// # Errors
    ///
    /// It is no number, or there are two.
    pub fn length(&self) -> Result<Option<u64>, BadResponse> {
        let mut length = None;
        for value in self.headers.get_all(&"content-length") {
            for text in value.as_bytes().split(|byte| *byte == b',') {
                let text = std::str::from_utf8(text.trim_ascii()).unwrap_or_default();
                // A sign would parse too.
                let digits = text.bytes().all(|byte| byte.is_ascii_digit());
                match text.parse::<u64>().ok().filter(|_| digits) {
                    Some(given) if length.is_none_or(|length| length == given) => {
                        length = Some(given);
                    }
                    Some(_) | None => return Err(BadResponse::Length),
                }
            }
        }
        Ok(length)
    }
}

/// Returns a value that goes on over several lines in one line (RFC 9112, section 5.2).
fn unfolded(value: &[u8]) -> Vec<u8> {
    let lines = value.split(|byte| matches!(byte, b'\r' | b'\n'));
    let parts: Vec<&[u8]> = lines
        .map(<[u8]>::trim_ascii)
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(&b' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::Value;

    fn parse(text: &str) -> Result<Option<(usize, ResponseHead)>, BadResponse> {
        ResponseHead::parse(text.as_bytes())
    }

    fn whole(text: &str) -> ResponseHead {
        parse(text).expect("it is valid").expect("it is whole").1
    }

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let text = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(
                parse(&text[..end]).map(|parsed| parsed.is_some()),
                Ok(false),
                "{end}"
            );
        }
        assert_eq!(
            parse(text).map(|parsed| parsed.map(|(length, _)| length)),
            Ok(Some(text.len()))
        );
    }

    #[test]
    fn the_status_line_leaves_as_it_came() {
        for line in [
            "HTTP/1.1 200 OK",
            "HTTP/1.1 529 Overloaded",
            "HTTP/1.1 200 Fine",
            "HTTP/1.1 200 ",
        ] {
            let mut out = Vec::new();
            whole(&format!("{line}\r\n\r\n")).write_status(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), format!("{line}\r\n"));
        }
    }

    #[test]
    fn the_body_ends_where_the_head_says() {
        for (lines, rest) in [
            ("Content-Length: 5", Ok(Rest::Length(5))),
            (
                "Content-Length: 5\r\nContent-Length: 5, 5",
                Ok(Rest::Length(5)),
            ),
            (
                "Content-Length: 5\r\nContent-Length: 6",
                Err(BadResponse::Length),
            ),
            ("Content-Length: +5", Err(BadResponse::Length)),
            (
                "Content-Length: 5\r\nTransfer-Encoding: chunked",
                Ok(Rest::Chunks(Chunk::Size)),
            ),
            (
                "Transfer-Encoding: gzip, Chunked",
                Ok(Rest::Chunks(Chunk::Size)),
            ),
            ("Transfer-Encoding: gzip", Ok(Rest::UntilClose)),
            ("A: b", Ok(Rest::UntilClose)),
        ] {
            let head = whole(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n"));
            assert_eq!(head.rest(), rest, "{lines}");
        }
    }

    #[test]
    fn what_old_servers_send_is_made_plain() {
        let head =
            whole("HTTP/1.0 200 OK\r\nA : b\r\nC: d\r\n\t e\r\nConnection: x, Close\r\n\r\n");
        assert_eq!(head.version, Version::HTTP_10);
        assert_eq!(head.headers.get("a").and_then(Value::to_str), Some("b"));
        assert_eq!(head.headers.get("c").and_then(Value::to_str), Some("d e"));
        assert!(head.headers.has_option("connection", "close"));
        assert!(!head.headers.has_option("connection", "clos"));
    }
}
