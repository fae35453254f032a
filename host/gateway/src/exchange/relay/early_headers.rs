//! The head that is sent before any upstream has answered, for operators who want clients to see a response early.
//!
//! Its status is 200, so a later error is reported as an event of the stream.

use std::time::Duration;

use http::{HeaderValue, Version, header};
use pingora_http::ResponseHeader;
use witgate_messages::endpoint::Endpoint;
use witgate_messages::error::{ErrorReport, ErrorType};
use witgate_upstream::Response;

use crate::answer::refused::Refused;
use crate::exchange::coding::Coding;
use crate::exchange::decide::Decision;
use crate::exchange::downstream::EarlyHeaders;
use crate::exchange::relay::metering::is_event_stream;
use crate::exchange::settle::Settlement;

/// Largest part of an upstream's error that is read to report it as an event, in bytes.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// Returns the early head for a request, or `None` if it gets none.
///
/// # Errors
///
/// The head cannot be built, which no configuration causes.
pub(crate) fn head(
    decision: &Decision,
    settlement: &Settlement,
) -> Result<Option<EarlyHeaders>, Refused> {
    let Some(after) = wanted_after(decision) else {
        return Ok(None);
    };
    build(decision, settlement)
        .map(|head| {
            Some(EarlyHeaders {
                at: settlement.started() + after,
                head: Box::new(head),
            })
        })
        .map_err(|_| Refused::gateway(500, "the response head can't be built"))
}

/// Returns whether this request may get an early head.
pub(crate) fn is_wanted(decision: &Decision) -> bool {
    wanted_after(decision).is_some()
}

/// Returns the time after which a request gets an early head: the operator has configured one, and the client asked for
/// a stream.
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

/// Returns whether an answer can follow an early head.
pub(crate) fn fits(head: &ResponseHeader) -> bool {
    head.status.as_u16() == 200 && is_plain_stream(head)
}

/// Returns whether an answer is an uncompressed event stream.
pub(crate) fn is_plain_stream(head: &ResponseHeader) -> bool {
    is_event_stream(&head.headers)
        && Coding::parse(head.headers.get(header::CONTENT_ENCODING)) == Ok(None)
}

/// Reads the error that an answer is, to report it as an event.
pub(crate) async fn error_of(response: &mut Response) -> ErrorReport {
    let status = response.head().map_or(502, |head| head.status.as_u16());
    let mut body = Vec::new();
    while body.len() < MAX_ERROR_BYTES && !response.is_done() {
        match response.read().await {
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
