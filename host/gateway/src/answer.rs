//! Responses of the gateway's own. All of them are written here.

pub(crate) mod cors;
pub(crate) mod refused;

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use pingora_core::ErrorType::{ConnectionClosed, WriteTimedout};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2;
use pingora_http::ResponseHeader;
use tokio::time::timeout;
use witgate_messages::error;

use crate::answer::refused::{Refused, Retry};

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
        headers: &'a [(HeaderName, HeaderValue)],
    },
    /// The response to a health probe.
    Probe {
        /// Additional headers.
        headers: &'a [(HeaderName, HeaderValue)],
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
        headers: &'a [(HeaderName, HeaderValue)],
    },
    /// The response to an allowed CORS preflight.
    Preflight {
        /// The permissions, as headers.
        headers: &'a [(HeaderName, HeaderValue)],
    },
}

/// Writes a response completely, and returns its body.
///
/// # Errors
///
/// Returns an error if the client has disconnected, or does not accept the response.
pub(crate) async fn write(
    session: &mut ServerSession,
    answer: Answer<'_>,
) -> pingora_core::Result<Bytes> {
    let (head, body) = match answer {
        Answer::Error { refused, .. } if refused.status == 499 => {
            return pingora_core::Error::e_explain(ConnectionClosed, "the client has disconnected");
        }
        Answer::Error {
            refused,
            id,
            headers,
        } => error_answer(refused, id, headers)?,
        Answer::Page {
            content_type,
            body,
            id,
            headers,
        } => {
            let mut head = ResponseHeader::build(200, Some(4 + headers.len()))?;
            head.append_header(header::CONTENT_TYPE, content_type)?;
            head.append_header(header::CONTENT_LENGTH, body.len().to_string())?;
            head.append_header(header::CACHE_CONTROL, "no-store")?;
            head.append_header("witgate-request-id", id)?;
            append(&mut head, headers)?;
            (head, body)
        }
        Answer::Preflight { headers } => {
            let mut head = ResponseHeader::build(204, Some(headers.len()))?;
            append(&mut head, headers)?;
            (head, Bytes::new())
        }
        Answer::Probe { headers } => {
            let body = match session.req_header().method {
                http::Method::GET => Bytes::from_static(b"{\"message\":\"witgate\"}"),
                _ => Bytes::new(),
            };
            let mut head = ResponseHeader::build(200, Some(3))?;
            head.append_header("Content-Type", "application/json")?;
            head.append_header("Content-Length", body.len().to_string())?;
            append(&mut head, headers)?;
            (head, body)
        }
    };
    // Closing a connection with unread bytes resets it, and the reset can overtake the response. So the rest of the request is
    // read and discarded for a while.
    session.set_close_on_response_before_downstream_finish(false);
    session.set_total_drain_timeout(Some(LINGER));
    session.write_response_header(Box::new(head)).await?;
    match session {
        ServerSession::H2(stream) => write_body(stream, body.clone()).await?,
        _ => session.write_response_body(body.clone(), true).await?,
    }
    Ok(body)
}

/// Writes the body of a response over HTTP/2, where a client may keep its window closed. Meanwhile the rest of the request is
/// read and discarded, so that a client without a key occupies no memory. The end of the session resets the stream, which
/// rejects anything that follows.
async fn write_body(stream: &mut v2::server::HttpSession, body: Bytes) -> pingora_core::Result<()> {
    let Some(mut writer) = stream.take_response_body_writer() else {
        return Ok(());
    };
    let write = timeout(LINGER, v2::write_body(&mut writer, body, true, None));
    let forget = async {
        while let Ok(Some(_)) = stream.read_body_bytes().await {}
        pending().await
    };
    tokio::select! {
        biased;
        written = write => written.unwrap_or_else(|_| {
            pingora_core::Error::e_explain(WriteTimedout, "the client did not accept the response in time")
        }),
        never = forget => never,
    }
}

/// Ends a stream with an error event, after its head was sent before an upstream had responded. Returns the event.
///
/// # Errors
///
/// Returns an error if the client has disconnected.
pub(crate) async fn end_stream(
    session: &mut ServerSession,
    refused: &Refused,
    id: &str,
) -> pingora_core::Result<Bytes> {
    let event = error::sse_event(&refused.kind, &refused.message, Some(id));
    session.write_response_body(event.clone(), true).await?;
    Ok(event)
}

fn error_answer(
    refused: &Refused,
    id: &str,
    headers: &[(HeaderName, HeaderValue)],
) -> pingora_core::Result<(ResponseHeader, Bytes)> {
    let body = error::body(&refused.kind, &refused.message, Some(id));
    let mut head = ResponseHeader::build(refused.status, Some(8 + headers.len()))?;
    head.append_header(header::CONTENT_TYPE, "application/json")?;
    head.append_header(header::CONTENT_LENGTH, body.len().to_string())?;
    head.append_header("request-id", id)?;
    head.append_header("witgate-request-id", id)?;
    head.append_header(
        "x-should-retry",
        match refused.retry {
            Retry::Worthwhile => "true",
            Retry::Useless => "false",
        },
    )?;
    if let Some(wait) = refused.retry_after {
        // The header has whole seconds; rounded down, the client would come back too early.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        head.append_header(header::RETRY_AFTER, seconds.to_string())?;
    }
    append(&mut head, headers)?;
    Ok((head, body))
}

fn append(
    head: &mut ResponseHeader,
    headers: &[(HeaderName, HeaderValue)],
) -> pingora_core::Result<()> {
    for (name, value) in headers {
        head.append_header(name.clone(), value.clone())?;
    }
    Ok(())
}
