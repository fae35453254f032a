//! Reading of request heads, for both listeners: within a timeout, within a size, and without ambiguity.
//!
//! A connection holds at most the allowed size of a head while it waits for the rest of it. The timeout covers the whole
//! head, however slowly it arrives, and the wait before it.

mod check;

use std::future::Future;

use tokio::time::timeout;
use witgate_http::{BadRequest, Headers};

use super::session::{HeadError, HttpSession};
use crate::answer::refused::Refused;
use crate::answer::{self, Answer};
use crate::config::Limits;

/// Waits for a request and reads its head. Returns whether there is a request to serve. A head that breaks a limit has been
/// refused, with the additional response headers that `dress` returns. Returns `false` as soon as `graceful_close` resolves.
pub(crate) async fn read(
    session: &mut HttpSession,
    limits: &Limits,
    dress: impl Fn(&Headers) -> Headers,
    graceful_close: impl Future<Output = ()>,
) -> bool {
    session.set_limits(limits);
    let read = tokio::select! {
        biased;
        read = timeout(limits.head_timeout, session.read_head(limits.head_bytes)) => read,
        // No request is in progress, so the connection can be closed.
        () = graceful_close => return false,
    };
    let refused = match read {
        Ok(Ok(())) => match check::check(session, limits) {
            Ok(()) => {
                // Proxies in front may be lenient about the lines between chunks and find another end. So nothing after a chunked
                // body is read as a request (RFC 9112, section 11.2).
                if session.header("transfer-encoding").is_some() {
                    session.close_afterwards();
                }
                return true;
            }
            Err(refused) => refused,
        },
        Ok(Err(HeadError::TooLarge)) => check::too_large(limits),
        Ok(Err(HeadError::Invalid(BadRequest::TooManyLines))) => {
            Refused::client(431, "the request head is larger than this gateway can read")
        }
        Ok(Err(HeadError::Invalid(_))) => Refused::client(400, "the request is not valid HTTP"),
        Ok(Err(HeadError::BareLineFeed)) => Refused::client(
            400,
            "a line of the request head ends without a carriage return",
        ),
        Ok(Err(HeadError::Closed)) | Err(_) => return false,
    };
    let headers = dress(&session.request().headers);
    refuse(session, &refused, &headers).await;
    false
}

/// Closes the connection of a session for which [`read`] returned `false`. An HTTP/2 stream has been answered and ends with
/// its session; a reset before that would discard the answer.
pub(crate) async fn close(session: &mut HttpSession) {
    if session.is_http2() {
        session.finish().await;
    } else {
        session.shutdown().await;
    }
}

async fn refuse(session: &mut HttpSession, refused: &Refused, headers: &Headers) {
    // The end of such a request is unknown, so nothing that follows on this connection is read as a request.
    session.close_afterwards();
    let answer = Answer::Error {
        refused,
        id: "",
        headers,
    };
    // The connection is closed either way.
    let _ = answer::write(session, answer).await;
}
