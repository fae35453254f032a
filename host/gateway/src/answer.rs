//! Responses of the gateway's own. All of them are written here.

pub(crate) mod cors;
pub(crate) mod refused;

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use witgate_http::{Headers, ResponseHead};
use witgate_messages::error;

use crate::answer::refused::{Refused, Retry};
use crate::listen::session::{ClientError, HttpSession};

/// Time during which the rest of a refused request is read, and during which an HTTP/2 client has to accept a response.
const LINGER: Duration = Duration::from_secs(2);

/// A response of the gateway's own.
pub(crate) enum Answer<'a> {
    /// An error, in Anthropic's shape.
    Error {
        /// The refusal.
        refused: &'a Refused,
        /// The gateway's id of the request.
        id: &'a str,
        /// Additional headers, from plugins and for CORS.
        headers: &'a Headers,
    },
    /// The response to a health probe.
    Probe {
        /// Additional headers.
        headers: &'a Headers,
    },
    /// A page of the gateway's own.
    Page {
        /// The type of its body.
        content_type: &'static str,
        /// The body.
        body: Bytes,
        /// The gateway's id of the request.
        id: &'a str,
        /// Additional headers.
        headers: &'a Headers,
    },
    /// The response to an allowed CORS preflight.
    Preflight {
        /// The permissions, as headers.
        headers: &'a Headers,
    },
}

/// Writes a response completely, and returns its body.
///
/// # Errors
///
/// Returns an error if the client has disconnected, or does not accept the response.
pub(crate) async fn write(
    session: &mut HttpSession,
    answer: Answer<'_>,
) -> Result<Bytes, ClientError> {
    let (head, body) = match answer {
        Answer::Error { refused, .. } if refused.status == 499 => {
            return Err(ClientError::Gone);
        }
        Answer::Error {
            refused,
            id,
            headers,
        } => error_answer(refused, id, headers),
        Answer::Page {
            content_type,
            body,
            id,
            headers,
        } => {
            let mut head = head(StatusCode::OK, content_type, body.len());
            head.headers.push_text("cache-control", "no-store");
            head.headers.push_text("witgate-request-id", id);
            head.headers.extend(headers);
            (head, body)
        }
        Answer::Preflight { headers } => {
            let mut head = ResponseHead::new(StatusCode::NO_CONTENT);
            head.headers.extend(headers);
            (head, Bytes::new())
        }
        Answer::Probe { headers } => {
            let body = match session.request().method {
                http::Method::GET => Bytes::from_static(b"{\"message\":\"witgate\"}"),
                _ => Bytes::new(),
            };
            let mut head = head(StatusCode::OK, "application/json", body.len());
            head.headers.extend(headers);
            (head, body)
        }
    };
    // Closing a connection with unread bytes resets it, and the reset can overtake the response. So the rest of the request is
    // read and discarded for a while.
    session.drain_afterwards(LINGER);
    session.write_head(&head).await?;
    session.write_last_body(body.clone(), LINGER).await?;
    Ok(body)
}

/// Ends a stream with an error event, after its head was sent before an upstream had responded. Returns the event.
///
/// # Errors
///
/// Returns an error if the client has disconnected.
pub(crate) async fn end_stream(
    session: &mut HttpSession,
    refused: &Refused,
    id: &str,
) -> Result<Bytes, ClientError> {
    let event = error::sse_event(&refused.kind, &refused.message, Some(id));
    session.write_body(event.clone(), true).await?;
    Ok(event)
}

fn error_answer(refused: &Refused, id: &str, headers: &Headers) -> (ResponseHead, Bytes) {
    let body = error::body(&refused.kind, &refused.message, Some(id));
    let status = StatusCode::from_u16(refused.status);
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut head = head(status, "application/json", body.len());
    let own = &mut head.headers;
    own.push_text("request-id", id);
    own.push_text("witgate-request-id", id);
    own.push_text(
        "x-should-retry",
        match refused.retry {
            Retry::Worthwhile => "true",
            Retry::Useless => "false",
        },
    );
    if let Some(wait) = refused.retry_after {
        // The header has whole seconds; rounded down, the client would come back too early.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        own.push_text("retry-after", itoa::Buffer::new().format(seconds));
    }
    head.headers.extend(headers);
    (head, body)
}

/// Returns the head of a response with a body.
fn head(status: StatusCode, content_type: &str, length: usize) -> ResponseHead {
    let mut head = ResponseHead::new(status);
    head.headers.push_text("content-type", content_type);
    let mut digits = itoa::Buffer::new();
    head.headers
        .push_text("content-length", digits.format(length));
    head
}
