//! The head that goes out before any upstream has answered, for operators who want clients to see life early.
//!
//! It says 200, so the status can't tell of an error any more: one is told as an event of the stream.

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderValue, Version, header};
use pingora_http::{RequestHeader, ResponseHeader};
use witgate_messages::endpoint::Endpoint;
use witgate_messages::error::{ErrorReport, ErrorType};

use crate::answer::refused::Refused;
use crate::coding::Coding;
use crate::exchange::decide::Decision;
use crate::exchange::downstream::EarlyHead;
use crate::exchange::settle::Settlement;
use crate::upstream::connection::Answering;

/// Most bytes of an upstream's error that are read to tell it as an event.
const ERROR_BYTES: usize = 64 * 1024;

/// The head for this request, if it may get one early.
///
/// # Errors
///
/// The head can't be made, which no configuration causes.
pub(crate) fn head(
    decision: &Decision,
    settlement: &Settlement,
) -> Result<Option<EarlyHead>, Refused> {
    let Some(after) = wanted_after(decision) else {
        return Ok(None);
    };
    build(decision, settlement)
        .map(|head| {
            Some(EarlyHead {
                at: settlement.started() + after,
                head: Box::new(head),
            })
        })
        .map_err(|_| Refused::gateway(500, "the head of the answer can't be made"))
}

/// The client's head, asking for no coding where the client may be promised that early.
pub(crate) fn plainly<'a>(
    decision: &Decision,
    request: &'a RequestHeader,
) -> Cow<'a, RequestHeader> {
    if wanted_after(decision).is_none() {
        return Cow::Borrowed(request);
    }
    let mut plain = request.clone();
    // Only a name or value that can't be in a header fails, and these can.
    let _ = plain.insert_header(header::ACCEPT_ENCODING, "identity");
    Cow::Owned(plain)
}

/// When this request may get a head early: the operator wants it, and the client asked for a stream.
fn wanted_after(decision: &Decision) -> Option<Duration> {
    let after = decision.snapshot.config.streams.early_head_after?;
    (decision.view.endpoint == Endpoint::Messages && decision.is_stream).then_some(after)
}

fn build(decision: &Decision, settlement: &Settlement) -> pingora_core::Result<ResponseHeader> {
    let mut head = ResponseHeader::build(200, Some(8))?;
    head.append_header(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream; charset=utf-8"),
    )?;
    head.append_header(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))?;
    if decision.view.version == Version::HTTP_11 {
        head.append_header(
            header::TRANSFER_ENCODING,
            HeaderValue::from_static("chunked"),
        )?;
    }
    for (name, value) in settlement.answer_headers().headers {
        head.append_header(name, value)?;
    }
    Ok(head)
}

/// Whether an answer can follow a head that said "an event stream, as it is".
pub(crate) fn fits(head: &ResponseHeader) -> bool {
    head.status.as_u16() == 200 && is_plain_stream(head)
}

/// Returns true if a response is an uncompressed event stream.
pub(crate) fn is_plain_stream(head: &ResponseHeader) -> bool {
    let kind = head.headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|value| value.to_str().ok()?.trim().get(..17));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("text/event-stream"))
        && Coding::parse(head.headers.get(header::CONTENT_ENCODING)) == Ok(None)
}

/// The error that an answer is, to be told as an event.
pub(crate) async fn error_of(answering: &mut Answering) -> ErrorReport {
    let status = answering.head().map_or(502, |head| head.status.as_u16());
    let mut body = Vec::new();
    while body.len() < ERROR_BYTES && !answering.is_done() {
        match answering.read().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => {}
            Err(_) => break,
        }
    }
    ErrorReport::read(&body).unwrap_or_else(|| ErrorReport {
        kind: ErrorType::from_status(status.max(400)),
        message: format!("the upstream answered {status} with something that is not a stream"),
    })
}
