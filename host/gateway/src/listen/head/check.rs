//! Checks against request smuggling: a request head must have one meaning only.
//!
//! Every recipient in front of the gateway or behind it has to find the same end of the same request (RFC 9112, sections 6.3
//! and 11.2). Where the standard leaves recipients a choice, the gateway therefore refuses the request and closes the
//! connection. Accepted requests are forwarded with a head and a length that the gateway writes itself.

mod repeated;

use http::{HeaderMap, header};
use memchr::memchr_iter;
use pingora_core::protocols::http::ServerSession;

use crate::answer::refused::Refused;
use crate::config::Limits;

/// Maximum number of digits of a content length that every recipient can represent.
const MAX_LENGTH_DIGITS: usize = 18;

/// Checks the head of a request that was just read.
///
/// # Errors
///
/// Returns a 431 for a head over the limits, and a 400 for a head that is ambiguous.
pub(crate) fn check(session: &ServerSession, limits: &Limits) -> Result<(), Refused> {
    let headers = &session.req_header().headers;
    if headers.len() > limits.headers {
        return Err(Refused::client(
            431,
            format!(
                "the request has more than the {} header lines that this gateway accepts",
                limits.headers
            ),
        ));
    }
    repeated::check(headers).map_err(|reason| Refused::client(400, reason))?;
    // HTTP/2 has its own framing, and its layer has refused headers about framing.
    let Some(http1) = session.as_http1() else {
        return Ok(());
    };
    let head = http1.get_headers_raw_bytes();
    if head.len() > limits.head_bytes {
        return Err(too_large(limits));
    }
    check_lines(&head)
        .and_then(|()| check_framing(headers, &head))
        .map_err(|reason| Refused::client(400, reason))
}

/// Returns the refusal of a head that exceeds the limit.
pub(crate) fn too_large(limits: &Limits) -> Refused {
    Refused::client(
        431,
        format!(
            "the request head is larger than the {} bytes that this gateway accepts",
            limits.head_bytes
        ),
    )
}

/// Returns the refusal of a head that the HTTP layer could not parse.
pub(crate) fn unreadable(error: &pingora_core::Error) -> Refused {
    let oversized = error
        .context
        .as_ref()
        .is_some_and(|context| context.as_str().starts_with("Request header larger"))
        || error.root_cause().to_string().contains("too many headers");
    if oversized {
        Refused::client(431, "the request head is larger than this gateway can read")
    } else {
        Refused::client(400, "the request is not valid HTTP")
    }
}

/// Checks that every line ends with CR LF. Recipients may accept a bare LF as the end of a line (RFC 9112, section 2.2), and
/// some do not.
fn check_lines(head: &[u8]) -> Result<(), &'static str> {
    let bare = memchr_iter(b'\n', head)
        .any(|at| at.checked_sub(1).and_then(|before| head.get(before)) != Some(&b'\r'));
    if bare {
        Err("a line of the request head ends without a carriage return")
    } else {
        Ok(())
    }
}

/// Checks that exactly one header defines the length of the body, and once.
fn check_framing(headers: &HeaderMap, head: &[u8]) -> Result<(), &'static str> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err("send transfer-encoding once, with the value chunked only");
        }
        // The HTTP layer has removed the length; the raw head still has it.
        if has_line(head, b"content-length:") {
            return Err("send either transfer-encoding or content-length, not both");
        }
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next() {
        let digits = length.as_bytes();
        let plain = (1..=MAX_LENGTH_DIGITS).contains(&digits.len())
            && digits.iter().all(u8::is_ascii_digit);
        if lengths.next().is_some() || !plain {
            return Err("send content-length once, as a decimal number");
        }
    }
    Ok(())
}

/// Returns whether a line of the head starts with `start`, ignoring case.
fn has_line(head: &[u8], start: &[u8]) -> bool {
    head.split(|byte| *byte == b'\n').any(|line| {
        line.get(..start.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
    })
}
