//! The head that is sent before any upstream has answered, for operators who want clients to see a response early.
//!
//! Its status is 200, so a later error is reported as an event of the stream.

use std::time::Duration;

use http::{StatusCode, Version};
use witgate_http::ResponseHead;
use witgate_messages::endpoint::Endpoint;
use witgate_messages::error::{ErrorReport, ErrorType};
use witgate_upstream::Response;

use crate::exchange::coding::Coding;
use crate::exchange::decide::Decision;
use crate::exchange::downstream::EarlyHeaders;
use crate::exchange::relay::metering::is_event_stream;
use crate::exchange::settle::Settlement;

/// Largest part of an upstream's error that is read to report it as an event, in bytes.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// Returns the early head for a request, or `None` if it gets none.
pub(crate) fn head(decision: &Decision, settlement: &Settlement) -> Option<EarlyHeaders> {
    wanted_after(decision).map(|after| EarlyHeaders {
        at: settlement.started() + after,
        head: Box::new(build(decision, settlement)),
    })
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

fn build(decision: &Decision, settlement: &Settlement) -> ResponseHead {
    let mut head = ResponseHead::new(StatusCode::OK);
    let headers = &mut head.headers;
    headers.push_text("content-type", "text/event-stream; charset=utf-8");
    headers.push_text("cache-control", "no-cache");
    if decision.view.version == Version::HTTP_11 {
        headers.push_text("transfer-encoding", "chunked");
    }
    headers.extend(&settlement.answer_headers().headers);
    head
}

/// Returns whether an answer can follow an early head.
pub(crate) fn fits(head: &ResponseHead) -> bool {
    head.status.as_u16() == 200 && is_plain_stream(head)
}

/// Returns whether an answer is an uncompressed event stream.
pub(crate) fn is_plain_stream(head: &ResponseHead) -> bool {
    is_event_stream(&head.headers)
        && Coding::parse(head.headers.get("content-encoding")) == Ok(None)
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
