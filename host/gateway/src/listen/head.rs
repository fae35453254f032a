//! Reading a request's head, on whichever listener: within a time, within a size, and in one reading.
//!
//! A connection holds at most the bytes that a head may have while it waits for the end of one. The time is for the whole
//! head, however slowly it comes, and for the wait before it.

use std::future::Future;

use http::header::TRANSFER_ENCODING;
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora_core::ErrorType;
use pingora_core::apps::{HttpPersistentSettings, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use tokio::time::timeout;

use crate::answer::refused::Refused;
use crate::answer::{self, Answer};
use crate::config::Limits;
use crate::listen::request_head;
use crate::listen::stream::{Room, room};

/// Waits for a request and reads its head. Says whether there is one to serve: what breaks a limit has been answered,
/// with the headers that `dress` puts on the answer. The connection is closed when `last_call` ends before there is one.
pub(crate) async fn read(
    session: &mut ServerSession,
    limits: &Limits,
    dress: impl Fn(&HeaderMap) -> Vec<(HeaderName, HeaderValue)>,
    last_call: impl Future<Output = ()>,
) -> bool {
    session.set_read_timeout(Some(limits.body_timeout));
    // Over HTTP/2 it is the window of a stream that stands still, which the connection does not see.
    session.set_write_timeout(Some(limits.write_timeout));
    // Kept alive without a limit of the HTTP layer's: the one below is for the whole head, however slowly it comes.
    session.set_keepalive(Some(0));
    if let Some(room) = room_of(session) {
        room.limit(limits.head_bytes);
    }
    let read = tokio::select! {
        biased;
        read = timeout(limits.head_timeout, session.read_request()) => read,
        // Nothing has been asked yet on this connection: it can be closed without anybody missing an answer.
        () = last_call => return false,
    };
    let is_cut = room_of(session).is_some_and(Room::has_cut);
    let mut headers = Vec::new();
    let refused = match read {
        Ok(Ok(true)) if is_cut => {
            headers = dress(&session.req_header().headers);
            request_head::over(limits)
        }
        Ok(Ok(true)) => {
            if let Some(room) = room_of(session) {
                room.lift();
            }
            match request_head::check(session, limits) {
                Ok(()) => {
                    // The HTTP layer is lenient about the lines between chunks, where another reader may find another
                    // end. So nothing behind such a body is taken for a request (RFC 9112, section 11.2).
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
        Ok(Err(_)) if is_cut => request_head::over(limits),
        Ok(Err(error)) if *error.etype() == ErrorType::InvalidHTTPHeader => {
            request_head::unreadable(&error)
        }
        Ok(Ok(false) | Err(_)) | Err(_) => return false,
    };
    refuse(session, &refused, &headers).await;
    false
}

/// Gives the connection of a session that was answered to its next request, if it stays open.
pub(crate) async fn reuse(session: ServerSession) -> Option<ReusedHttpStream> {
    let mut settings = HttpPersistentSettings::for_session(&session);
    let (stream, ahead) = session.finish().await.ok().flatten()?.into_parts();
    if let Some(ahead) = ahead {
        if let Some(room) = room(&stream) {
            room.set_ahead(ahead.len());
        }
        settings.set_pipelined_prefix(ahead);
    }
    Some(ReusedHttpStream::new(stream, Some(settings)))
}

/// Closes the connection of a session that [`read`] gave no request. A stream of HTTP/2 has been answered; its end is the
/// session's, and a reset before it would take the answer back.
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
    // Where such a request ends is anybody's guess: nothing that follows on this connection is read as one.
    session.set_keepalive(None);
    let answer = Answer::Error {
        refused,
        id: "",
        headers,
    };
    // It is closed either way.
    let _ = answer::write(session, answer).await;
}

fn room_of(session: &ServerSession) -> Option<&Room> {
    room(session.stream()?)
}
