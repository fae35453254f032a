//! An answer over HTTP/1.1 as it is read from its connection.
//!
//! An open stream holds one small buffer, which grows with what a read brings. What one read brings is one piece.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::{StatusCode, Version, header};
use pingora_core::protocols::Stream;
use pingora_core::{Error, ErrorType, OrErr};
use pingora_http::{ResponseHeader, header_value_from_raw};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::body::{Chunk, Rest};
use crate::Upstream;
use crate::dns::Address;

/// Longest head, in bytes.
const MAX_HEAD: usize = 1024 * 1024;

/// Most headers of a head.
const MAX_HEADERS: usize = 256;

/// The room for the first read, and for each one while little comes, in bytes.
const LEAST_ROOM: usize = 4 * 1024;

/// The room for a read while much comes, in bytes.
const MOST_ROOM: usize = 64 * 1024;

/// The request that an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::connection) enum AnswerTo {
    /// HEAD, whose answer has no body, whatever its headers say (RFC 9110, section 9.3.2).
    Head,
    /// Another request.
    Other,
}

/// An answer over HTTP/1.1.
pub(in crate::connection) struct Incoming {
    stream: Stream,
    /// Bytes that were read and not used.
    read: BytesMut,
    /// The room for the next read.
    room: usize,
    to: AnswerTo,
    /// The last head that was read.
    head: Option<Box<ResponseHeader>>,
    rest: Rest,
    /// Longest wait for the next bytes of a body.
    idle: Option<Duration>,
}

// === impl Incoming ===

impl Incoming {
    pub(in crate::connection) fn new(stream: Stream, to: AnswerTo) -> Self {
        Self {
            stream,
            read: BytesMut::new(),
            room: LEAST_ROOM,
            to,
            head: None,
            rest: Rest::Length(0),
            idle: None,
        }
    }

    /// Reads the next head: that of the answer, or of an interim one before it. Returns its status.
    ///
    /// # Errors
    ///
    /// [`ErrorType::InvalidHTTPHeader`] if it is no head; the connection broke otherwise.
    pub(in crate::connection) async fn read_head(&mut self) -> pingora_core::Result<StatusCode> {
        loop {
            if let Some((length, head)) = parse(&self.read)? {
                self.read.advance(length);
                self.rest = rest(&head, self.to)?;
                let status = head.status;
                self.head = Some(Box::new(head));
                return Ok(status);
            }
            if self.read.len() > MAX_HEAD {
                return Error::e_explain(ErrorType::InvalidHTTPHeader, "the head is too long");
            }
            if self.fill().await? == 0 {
                return Error::e_explain(
                    ErrorType::ConnectionClosed,
                    format!("after {} bytes of a head", self.read.len()),
                );
            }
        }
    }

    pub(in crate::connection) fn head(&self) -> Option<&ResponseHeader> {
        self.head.as_deref()
    }

    /// Reads the next bytes of the body; `None` is its clean end. Cancel safe.
    pub(in crate::connection) async fn read(&mut self) -> pingora_core::Result<Option<Bytes>> {
        loop {
            let piece = self.rest.take(&mut self.read);
            let piece = piece.or_err(ErrorType::ReadError, "its chunks are not valid")?;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
            if self.rest.is_done() {
                return Ok(None);
            }
            let filled = match self.idle {
                Some(idle) => timeout(idle, self.fill()).await.unwrap_or_else(|_| {
                    Error::e_explain(
                        ErrorType::ReadTimedout,
                        format!("nothing came for {idle:?}"),
                    )
                }),
                None => self.fill().await,
            };
            if filled? > 0 {
                continue;
            }
            if self.rest == Rest::UntilClose {
                self.rest = Rest::Length(0);
                return Ok(None);
            }
            return Error::e_explain(ErrorType::ConnectionClosed, "before the end of the body");
        }
    }

    /// Reads from the connection. Returns the number of bytes, zero at its end. Cancel safe.
    async fn fill(&mut self) -> pingora_core::Result<usize> {
        self.read.reserve(self.room);
        let room = self.read.capacity() - self.read.len();
        let count = self.stream.read_buf(&mut self.read).await;
        let count = count.or_err(ErrorType::ReadError, "while it was read")?;
        self.room = if count == room {
            (self.room * 4).min(MOST_ROOM)
        } else {
            // Streams come in small pieces, of which many wait at the same time.
            count.clamp(LEAST_ROOM, MOST_ROOM)
        };
        Ok(count)
    }

    pub(in crate::connection) fn set_idle_timeout(&mut self, idle: Duration) {
        self.idle = Some(idle);
    }

    pub(in crate::connection) fn is_done(&self) -> bool {
        self.rest.is_done()
    }

    /// Returns the connection to the pool, if it can take another request.
    pub(in crate::connection) fn release(self, upstream: &Upstream, address: &Address) {
        // Bytes behind the answer belong to no request, and more may follow.
        let is_clean = self.rest.is_done() && self.read.is_empty();
        if is_clean
            && self
                .head
                .as_deref()
                .is_some_and(|head| stays_open(head, self.to))
        {
            upstream.idle.put(address.at, self.stream);
        }
    }
}

/// Parses a head. Returns its length with it, or `None` if it is not whole.
fn parse(bytes: &[u8]) -> pingora_core::Result<Option<(usize, ResponseHeader)>> {
    const INVALID: ErrorType = ErrorType::InvalidHTTPHeader;
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let mut parser = httparse::ParserConfig::default();
    parser.allow_spaces_after_header_name_in_responses(true);
    parser.allow_obsolete_multiline_headers_in_responses(true);
    let length = match parser.parse_response(&mut parsed, bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Error::e_because(INVALID, "its head can't be parsed", error),
    };
    let status = parsed.code.unwrap_or_default();
    let mut head = ResponseHeader::build(status, Some(parsed.headers.len()))?;
    head.set_version(match parsed.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    });
    head.set_reason_phrase(parsed.reason)?;
    // The head is copied, so that the buffer stays free for the body.
    let begin = bytes.as_ptr().addr();
    let shared = Bytes::copy_from_slice(bytes.get(..length).unwrap_or_default());
    let part = |of: &[u8]| {
        let from = of.as_ptr().addr() - begin;
        shared.slice(from..from + of.len())
    };
    let is_chunked =
        |header: &httparse::Header<'_>| header.name.eq_ignore_ascii_case("transfer-encoding");
    let has_coding = parsed.headers.iter().any(is_chunked);
    for header in &*parsed.headers {
        // Chunks say more than a length (RFC 9112, section 6.3).
        if has_coding && header.name.eq_ignore_ascii_case("content-length") {
            continue;
        }
        let value = header_value_from_raw(part(header.value));
        head.append_header(part(header.name.as_bytes()), value)
            .or_err(INVALID, "a header is not valid")?;
    }
    Ok(Some((length, head)))
}

/// Returns the body that follows a head (RFC 9112, section 6.3).
///
/// # Errors
///
/// [`ErrorType::InvalidHTTPHeader`]: the head does not say where the body ends, or says it twice.
fn rest(head: &ResponseHeader, to: AnswerTo) -> pingora_core::Result<Rest> {
    if has_no_body(head, to) {
        return Ok(Rest::Length(0));
    }
    if let Some(coding) = head
        .headers
        .get_all(header::TRANSFER_ENCODING)
        .iter()
        .next_back()
    {
        let last = coding.as_bytes().rsplit(|byte| *byte == b',').next();
        let is_chunked =
            last.is_some_and(|last| last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
        return Ok(match is_chunked {
            true => Rest::Chunks(Chunk::Size),
            false => Rest::UntilClose,
        });
    }
    let mut length = None;
    for value in head.headers.get_all(header::CONTENT_LENGTH) {
        for text in value.as_bytes().split(|byte| *byte == b',') {
            let text = std::str::from_utf8(text.trim_ascii()).unwrap_or_default();
            // A sign would parse too.
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            match text.parse::<u64>().ok().filter(|_| digits) {
                Some(given) if length.is_none_or(|length| length == given) => length = Some(given),
                Some(_) | None => {
                    return Error::e_explain(
                        ErrorType::InvalidHTTPHeader,
                        "its Content-Length is not valid",
                    );
                }
            }
        }
    }
    Ok(length.map_or(Rest::UntilClose, Rest::Length))
}

/// Returns whether an answer ends with its head.
fn has_no_body(head: &ResponseHeader, to: AnswerTo) -> bool {
    let status = head.status;
    to == AnswerTo::Head
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Returns whether the connection of an answer that was read to its end takes another request (RFC 9112, section 9.3).
fn stays_open(head: &ResponseHeader, to: AnswerTo) -> bool {
    let ends_by_itself = has_no_body(head, to)
        || head.headers.contains_key(header::CONTENT_LENGTH)
        || rest(head, to).is_ok_and(|rest| rest != Rest::UntilClose);
    let says = |wanted: &str| {
        let values = head.headers.get_all(header::CONNECTION).iter();
        let mut options = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        options.any(|option| option.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()))
    };
    let persists = match head.version {
        // Its chunks are not to be trusted (RFC 9112, section 6.1).
        Version::HTTP_10 => {
            says("keep-alive") && !head.headers.contains_key(header::TRANSFER_ENCODING)
        }
        _ => true,
    };
    ends_by_itself && persists && !says("close")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> pingora_core::Result<ResponseHeader> {
        let parsed = parse(text.as_bytes())?;
        Ok(parsed.expect("a whole head").1)
    }

    fn body_of(text: &str, to: AnswerTo) -> Option<Rest> {
        rest(&head(text).ok()?, to).ok()
    }

    #[test]
    fn a_head_keeps_the_order_and_the_case_of_its_headers() {
        let text =
            "HTTP/1.1 200 Fine\r\nx-B: 1\r\nA: two \r\nx-b: 3\r\nfolded: a\r\n  b\r\n\r\nbody";
        let (length, head) = parse(text.as_bytes())
            .expect("it is valid")
            .expect("it is whole");
        assert_eq!(length, text.len() - "body".len(), "the head alone");
        let names = head.case_header_iter().map(|(name, _)| name.as_slice());
        let names: Vec<_> = names.map(String::from_utf8_lossy).collect();
        let values: Vec<_> = head
            .headers
            .values()
            .map(|value| value.to_str().expect("text"))
            .collect();
        assert_eq!(
            names,
            ["x-B", "x-b", "A", "folded"],
            "those of one name together"
        );
        assert_eq!(values, ["1", "3", "two", "a b"]);
        assert_eq!(head.get_reason_phrase(), Some("Fine"));
        for end in 0..length {
            let part = parse(text.as_bytes().get(..end).expect("a part"));
            assert!(
                part.is_ok_and(|head| head.is_none()),
                "{end} bytes are no head"
            );
        }
    }

    #[test]
    fn the_body_is_framed_by_the_head_and_the_request() {
        use Rest::{Chunks, Length, UntilClose};
        for (headers, wanted) in [
            ("", Some(UntilClose)),
            ("Content-Length: 7\r\n", Some(Length(7))),
            (
                "Content-Length: 7\r\nContent-Length: 7, 7\r\n",
                Some(Length(7)),
            ),
            ("Content-Length: 7\r\nContent-Length: 8\r\n", None),
            ("Content-Length: +7\r\n", None),
            ("Content-Length: \r\n", None),
            ("Content-Length: 99999999999999999999\r\n", None),
            ("Transfer-Encoding: chunked\r\n", Some(Chunks(Chunk::Size))),
            (
                "Transfer-Encoding: gzip, Chunked\r\n",
                Some(Chunks(Chunk::Size)),
            ),
            ("Transfer-Encoding: chunked, gzip\r\n", Some(UntilClose)),
            (
                "Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
                Some(Chunks(Chunk::Size)),
            ),
        ] {
            let text = format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
            assert_eq!(body_of(&text, AnswerTo::Other), wanted, "{headers}");
        }
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
        assert_eq!(body_of(text, AnswerTo::Head), Some(Length(0)), "of a HEAD");
        for status in ["204", "304", "103"] {
            let text = format!("HTTP/1.1 {status} X\r\nContent-Length: 7\r\n\r\n");
            assert_eq!(body_of(&text, AnswerTo::Other), Some(Length(0)), "{status}");
        }
    }

    #[test]
    fn a_connection_stays_open_only_if_both_sides_know_the_end_of_the_answer() {
        for (head_text, stays) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n", true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", true),
            ("HTTP/1.1 200 OK\r\n", false),
            ("HTTP/1.1 204 OK\r\n", true),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: x, Close\r\n",
                false,
            ),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n", false),
            (
                "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n",
                true,
            ),
            (
                "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n",
                false,
            ),
        ] {
            let head = head(&format!("{head_text}\r\n")).expect("it is valid");
            assert_eq!(stays_open(&head, AnswerTo::Other), stays, "{head_text}");
        }
    }

    #[test]
    fn what_is_no_head_is_refused() {
        for text in [
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 2x0 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
            "HTTP/1.1 099 X\r\n\r\n",
        ] {
            let refused = parse(text.as_bytes()).expect_err(text);
            assert_eq!(*refused.etype(), ErrorType::InvalidHTTPHeader, "{text}");
        }
    }
}
