//! Checks against request smuggling: a request head must have one meaning only.
//!
//! Every recipient in front of the gateway or behind it has to find the same end of the same request (RFC 9112, sections 6.3
//! and 11.2). Where the standard leaves recipients a choice, the gateway therefore refuses the request and closes the
//! connection. Accepted requests are forwarded with a head and a length that the gateway writes itself.

mod repeated;

use witgate_http::{Headers, Value};

use crate::answer::refused::Refused;
use crate::config::Limits;
use crate::listen::session::HttpSession;

/// Maximum number of digits of a content length that every recipient can represent.
const MAX_LENGTH_DIGITS: usize = 18;

/// Checks the head of a request that was just read.
///
/// # Errors
///
/// Returns a 431 for a head over the limits, and a 400 for a head that is ambiguous.
pub(crate) fn check(session: &HttpSession, limits: &Limits) -> Result<(), Refused> {
    let headers = &session.request().headers;
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
    if session.is_http2() {
        return Ok(());
    }
    check_framing(headers).map_err(|reason| Refused::client(400, reason))
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

/// Checks that exactly one header defines the length of the body, and once.
fn check_framing(headers: &Headers) -> Result<(), &'static str> {
    let mut codings = headers.get_all(&"transfer-encoding").map(Value::as_bytes);
    let mut lengths = headers.get_all(&"content-length").map(Value::as_bytes);
    if let Some(coding) = codings.next() {
        if codings.next().is_some() || !coding.eq_ignore_ascii_case(b"chunked") {
            return Err("send transfer-encoding once, with the value chunked only");
        }
        if lengths.next().is_some() {
            return Err("send either transfer-encoding or content-length, not both");
        }
    } else if let Some(digits) = lengths.next() {
        let plain = (1..=MAX_LENGTH_DIGITS).contains(&digits.len())
            && digits.iter().all(u8::is_ascii_digit);
        if lengths.next().is_some() || !plain {
            return Err("send content-length once, as a decimal number");
        }
    }
    Ok(())
}
