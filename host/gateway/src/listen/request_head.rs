//! What is asked of a request head beyond being parsed: that nobody can read another request out of it.
//!
//! Whoever reads the same bytes in front of the gateway or behind it has to find the same end of the same request
//! (request smuggling: RFC 9112, sections 6.3 and 11.2). So where the standard lets a recipient choose, the gateway
//! refuses, and closes the connection behind the refusal. What passes is forwarded with a head and a length of the
//! gateway's own making.

mod once;

use http::{HeaderMap, header};
use memchr::memchr_iter;
use pingora_core::protocols::http::ServerSession;

use crate::answer::refused::Refused;
use crate::config::Limits;

/// Digits that any recipient's length can hold.
const LENGTH_DIGITS: usize = 18;

/// Checks the head of a request that was just read.
///
/// # Errors
///
/// 431 for one over the limits, 400 for one that can be read in two ways.
pub(crate) fn check(session: &ServerSession, limits: &Limits) -> Result<(), Refused> {
    let headers = &session.req_header().headers;
    if headers.len() > limits.headers {
        return Err(Refused::client(
            431,
            format!(
                "the request has more than the {} header lines that this gateway takes",
                limits.headers
            ),
        ));
    }
    once::check(headers).map_err(|reason| Refused::client(400, reason))?;
    // HTTP/2 frames its messages itself: its layer has refused what speaks of framing.
    let Some(http1) = session.as_http1() else {
        return Ok(());
    };
    let head = http1.get_headers_raw_bytes();
    if head.len() > limits.head_bytes {
        return Err(over(limits));
    }
    check_lines(&head)
        .and_then(|()| check_framing(headers, &head))
        .map_err(|reason| Refused::client(400, reason))
}

/// What is answered to a head that is larger than it may be.
pub(crate) fn over(limits: &Limits) -> Refused {
    Refused::client(
        431,
        format!(
            "the request's head is larger than the {} bytes that this gateway takes",
            limits.head_bytes
        ),
    )
}

/// What is answered to a head that the HTTP layer could not read.
pub(crate) fn unreadable(error: &pingora_core::Error) -> Refused {
    let oversized = error
        .context
        .as_ref()
        .is_some_and(|context| context.as_str().starts_with("Request header larger"))
        || error.root_cause().to_string().contains("too many headers");
    if oversized {
        Refused::client(
            431,
            "the request's head is larger than this gateway can read",
        )
    } else {
        Refused::client(400, "the request is not HTTP that this gateway can read")
    }
}

/// Every line ends with CR LF. A recipient may take a bare LF for the end of a line (RFC 9112, section 2.2), so that not
/// all of them do.
fn check_lines(head: &[u8]) -> Result<(), &'static str> {
    let bare = memchr_iter(b'\n', head)
        .any(|at| at.checked_sub(1).and_then(|before| head.get(before)) != Some(&b'\r'));
    if bare {
        Err("a line of the request's head ends without a carriage return")
    } else {
        Ok(())
    }
}

/// One way to find the end of the body, said once.
fn check_framing(headers: &HeaderMap, head: &[u8]) -> Result<(), &'static str> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err("transfer-encoding can only be chunked, once");
        }
        // The HTTP layer has taken the length away already; the head as it came still has it.
        if has_line(head, b"content-length:") {
            return Err("a request has either transfer-encoding or content-length");
        }
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next() {
        let digits = length.as_bytes();
        let plain =
            (1..=LENGTH_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
        if lengths.next().is_some() || !plain {
            return Err("content-length can only be one decimal number, once");
        }
    }
    Ok(())
}

/// Whether a line of the head starts with this, in any case.
fn has_line(head: &[u8], start: &[u8]) -> bool {
    head.split(|byte| *byte == b'\n').any(|line| {
        line.get(..start.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
    })
}
