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
    let ends_by_itself = rest(head, to).is_ok_and(|rest| rest != Rest::UntilClose);
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
mod tests;
