//! The one mouth: every answer that the gateway gives by itself is written here.

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

/// How long the rest of a request is read after it has been refused, and how long an answer waits for a client of HTTP/2
/// to take it.
const LINGER: Duration = Duration::from_secs(2);

/// Something to say.
pub(crate) enum Answer<'a> {
    /// An error, in Anthropic's shape.
    Error {
        /// What is said.
        refused: &'a Refused,
        /// The host's id of the request.
        id: &'a str,
        /// Headers that plugins want on it.
        headers: &'a [(HeaderName, HeaderValue)],
    },
    /// Somebody is there.
    Probe {
        /// Headers on it.
        headers: &'a [(HeaderName, HeaderValue)],
    },
    /// An app may ask from a browser.
    Preflight {
        /// What it may.
        headers: &'a [(HeaderName, HeaderValue)],
    },
}

/// Writes the answer to its end, and returns its body.
///
/// # Errors
///
/// The client is gone, or does not take it.
pub(crate) async fn write(
    session: &mut ServerSession,
    answer: Answer<'_>,
) -> pingora_core::Result<Bytes> {
    let (head, body) = match answer {
        Answer::Error { refused, .. } if refused.status == 499 => {
            return pingora_core::Error::e_explain(ConnectionClosed, "nobody to answer");
        }
        Answer::Error {
            refused,
            id,
            headers,
        } => error_answer(refused, id, headers)?,
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
    // A connection that is closed with unread bytes is reset, and a reset can overtake the answer. So what is left of
    // the request is read and forgotten, for a while.
    session.set_close_on_response_before_downstream_finish(false);
    session.set_total_drain_timeout(Some(LINGER));
    session.write_response_header(Box::new(head)).await?;
    match session {
        ServerSession::H2(stream) => write_body(stream, body.clone()).await?,
        _ => session.write_response_body(body.clone(), true).await?,
    }
    Ok(body)
}

/// Writes the body of an answer over HTTP/2, where a client may keep its window shut. Until it has left, whatever still comes
/// of the request is read and forgotten, so that a client without a key has nothing kept; what comes after it is refused
/// with the session's end, which resets the stream.
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
            pingora_core::Error::e_explain(WriteTimedout, "the client takes no answer")
        }),
        never = forget => never,
    }
}

/// Ends a stream whose head went out before any upstream had answered, and returns what was written.
///
/// # Errors
///
/// The client is gone.
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
        // The header counts whole seconds; a wait that is rounded down would come too early.
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
