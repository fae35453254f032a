//! Reading of request heads, for both listeners: within a timeout, within a size, and without ambiguity.
//!
//! A connection holds at most the allowed size of a head while it waits for the rest of it. The timeout covers the whole
//! head, however slowly it arrives, and the wait before it.

mod check;

use std::future::Future;

use http::header::TRANSFER_ENCODING;
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora_core::ErrorType;
use pingora_core::apps::{HttpPersistentSettings, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use tokio::time::timeout;

use super::client_stream::{HeadBudget, head_budget};
use crate::answer::refused::Refused;
use crate::answer::{self, Answer};
use crate::config::Limits;

/// Waits for a request and reads its head. Returns whether there is a request to serve. A head that breaks a limit has been
/// refused, with the additional response headers that `dress` returns. Returns `false` as soon as `graceful_close` resolves.
pub(crate) async fn read(
    session: &mut ServerSession,
    limits: &Limits,
    dress: impl Fn(&HeaderMap) -> Vec<(HeaderName, HeaderValue)>,
    graceful_close: impl Future<Output = ()>,
) -> bool {
    session.set_read_timeout(Some(limits.body_timeout));
    // For HTTP/2 this bounds a stream whose window stays closed, which the connection does not notice.
    session.set_write_timeout(Some(limits.write_timeout));
    // No keep-alive timeout of the HTTP layer's: the timeout below covers the whole head, however slowly it arrives.
    session.set_keepalive(Some(0));
    if let Some(budget) = budget_of(session) {
        budget.limit(limits.head_bytes);
    }
    let read = tokio::select! {
        biased;
        read = timeout(limits.head_timeout, session.read_request()) => read,
        // No request is in progress, so the connection can be closed.
        () = graceful_close => return false,
    };
    let is_cut = budget_of(session).is_some_and(HeadBudget::is_exceeded);
    let mut headers = Vec::new();
    let refused = match read {
        Ok(Ok(true)) if is_cut => {
            headers = dress(&session.req_header().headers);
            check::too_large(limits)
        }
        Ok(Ok(true)) => {
            if let Some(budget) = budget_of(session) {
                budget.lift();
            }
            match check::check(session, limits) {
                Ok(()) => {
                    // The HTTP layer is lenient about the lines between chunks, where another parser may find another
                    // end. So nothing after a chunked body is read as a request (RFC 9112, section 11.2).
                    if session.req_header().headers.contains_key(TRANSFER_ENCODING) {
                        session.set_keepalive(None);
                    }
                    return true;
                }
                Err(refused) => {
                    headers = dress(&session.req_header().headers);
                    refused
                }
            }
        }
        Ok(Err(_)) if is_cut => check::too_large(limits),
        Ok(Err(error)) if *error.etype() == ErrorType::InvalidHTTPHeader => {
            check::unreadable(&error)
        }
        Ok(Ok(false) | Err(_)) | Err(_) => return false,
    };
    refuse(session, &refused, &headers).await;
    false
}

/// Returns the connection of a completed session for its next request, or `None` if it does not stay open.
pub(crate) async fn reuse(session: ServerSession) -> Option<ReusedHttpStream> {
    let mut settings = HttpPersistentSettings::for_session(&session);
    let (stream, ahead) = session.finish().await.ok().flatten()?.into_parts();
    if let Some(ahead) = ahead {
        if let Some(budget) = head_budget(&stream) {
            budget.set_ahead(ahead.len());
        }
        settings.set_pipelined_prefix(ahead);
    }
    Some(ReusedHttpStream::new(stream, Some(settings)))
}

/// Closes the connection of a session for which [`read`] returned `false`. An HTTP/2 stream has been answered and ends with
/// its session; a reset before that would discard the answer.
pub(crate) async fn close(mut session: ServerSession) {
    if !session.is_http2() {
        session.shutdown().await;
    }
}

async fn refuse(
    session: &mut ServerSession,
    refused: &Refused,
    headers: &[(HeaderName, HeaderValue)],
) {
    // The end of such a request is unknown, so nothing that follows on this connection is read as a request.
    session.set_keepalive(None);
    let answer = Answer::Error {
        refused,
        id: "",
        headers,
    };
    // The connection is closed either way.
    let _ = answer::write(session, answer).await;
}

fn budget_of(session: &ServerSession) -> Option<&HeadBudget> {
    head_budget(session.stream()?)
}
