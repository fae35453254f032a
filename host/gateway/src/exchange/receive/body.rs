//! A body that is read whole, and paid for as it comes.

use std::time::Duration;

use bytes::Bytes;
use http::header;
use pingora_core::protocols::http::ServerSession;
use tokio::time::timeout;

use crate::answer::refused::Refused;
use crate::config::Limits;
use crate::listen::STREAM_WINDOW;
use crate::tenants::concurrency::{Charge, FREE, Place};

/// Room for a body that does not say how long it is.
const UNKNOWN: usize = 16 * 1024;

/// Reads a body. Larger ones are paid for from what has come of them, so that one that is announced and does not come keeps
/// nothing from others.
///
/// # Errors
///
/// It is too large, too slow, not framed as it should be, or there is no memory for it now.
pub(super) async fn read_body(
    session: &mut ServerSession,
    limits: &Limits,
    limit: usize,
    place: &Place,
) -> Result<Bytes, Refused> {
    let request = session.req_header();
    let chunked = request.headers.contains_key(header::TRANSFER_ENCODING);
    let length = declared(session);
    let over = || {
        let message = format!("the body is larger than the {limit} bytes that this gateway takes");
        Refused::client(413, message)
    };
    let announced = match length {
        Some(0) => {
            return Err(Refused::client(
                400,
                "the body is empty: a JSON object is expected",
            ));
        }
        Some(length) => {
            let length = usize::try_from(length).ok().filter(|len| *len <= limit);
            let length = length.ok_or_else(over)?;
            if length > FREE {
                place.has_room(length)?;
            }
            Some(length)
        }
        None if chunked || session.is_http2() => None,
        None => {
            return Err(Refused::client(
                411,
                "the body has no length: send content-length",
            ));
        }
    };

    let _window = window(session, announced, place)?;
    invite(session).await?;
    let read = async {
        let mut whole = Whole::new(announced, place);
        while let Some(part) = session
            .read_request_body()
            .await
            .map_err(|error| broken(&error))?
        {
            if whole.len() + part.len() > limit {
                return Err(over());
            }
            whole.push(part)?;
        }
        Ok(whole.into_bytes())
    };
    timeout(limits.body_timeout, read)
        .await
        .unwrap_or_else(|_| Err(slow(limits.body_timeout)))
}

/// What pays for the part of a body that has come and is not read: HTTP/2 takes as much as its window, whether it is read or
/// not.
pub(crate) fn window(
    session: &ServerSession,
    announced: Option<usize>,
    place: &Place,
) -> Result<Option<Charge>, Refused> {
    let window = usize::try_from(STREAM_WINDOW).unwrap_or(usize::MAX);
    let most = announced.map_or(window, |announced| announced.min(window));
    if !session.is_http2() || most <= FREE {
        return Ok(None);
    }
    let mut charge = place.charge();
    charge.cover(most)?;
    Ok(Some(charge))
}

/// The body's length as the client declares it.
fn declared(session: &ServerSession) -> Option<u64> {
    session
        .get_header(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.trim().parse().ok())
}

/// The body's length as the client declares it, where a body of this length could be held.
pub(crate) fn announced(session: &ServerSession) -> Option<usize> {
    declared(session).and_then(|length| usize::try_from(length).ok())
}

/// Refuses a body that says itself that it is too large.
pub(super) fn check_length(session: &ServerSession, limit: u64) -> Result<(), Refused> {
    match declared(session) {
        Some(length) if length > limit => Err(over(limit)),
        _ => Ok(()),
    }
}

/// Lets a client that waits for it send its body.
pub(crate) async fn invite(session: &mut ServerSession) -> Result<(), Refused> {
    if session
        .get_header(header::EXPECT)
        .is_some_and(|expect| expect.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    {
        // Otherwise an answer that starts before the body has ended would close the connection behind it.
        session.set_close_on_response_before_downstream_finish(false);
        let invited = session.write_continue_response().await;
        session.set_close_on_response_before_downstream_finish(true);
        invited.map_err(|_| gone())?;
    }
    Ok(())
}

pub(crate) fn slow(limit: Duration) -> Refused {
    Refused::client(
        408,
        format!("the body did not arrive within {} ms", limit.as_millis()),
    )
}

pub(crate) fn broken(error: &pingora_core::Error) -> Refused {
    match error.etype() {
        pingora_core::ErrorType::ReadTimedout => {
            Refused::client(408, "the body stood still for too long")
        }
        pingora_core::ErrorType::ConnectionClosed | pingora_core::ErrorType::ReadError => gone(),
        _ => Refused::client(400, "the body is not framed as its headers say"),
    }
}

/// Nobody will read this; the receipt does.
fn gone() -> Refused {
    Refused::client(
        499,
        "the client closed the connection before its request was complete",
    )
}

/// The answer to a body that is too large.
pub(crate) fn over(limit: u64) -> Refused {
    Refused::client(
        413,
        format!("the upload is larger than the {limit} bytes that this gateway takes"),
    )
}

/// A body in the making: the first part as it is, a buffer only when there is a second.
struct Whole<'a> {
    place: &'a Place,
    announced: Option<usize>,
    first: Bytes,
    joined: Vec<u8>,
    charge: Option<Charge>,
}

// === impl Whole ===

impl<'a> Whole<'a> {
    fn new(announced: Option<usize>, place: &'a Place) -> Self {
        Self {
            place,
            announced,
            first: Bytes::new(),
            joined: Vec::new(),
            charge: None,
        }
    }

    fn len(&self) -> usize {
        self.first.len() + self.joined.len()
    }

    fn push(&mut self, part: Bytes) -> Result<(), Refused> {
        let len = self.len() + part.len();
        if self.len() == 0 {
            self.pay(len)?;
            self.first = part;
            return Ok(());
        }
        match self.announced {
            // What was not written to costs address space only.
            Some(announced) => {
                self.pay(len)?;
                self.joined
                    .reserve_exact(announced.max(len) - self.joined.len());
            }
            None if len > self.joined.capacity() => {
                let room = len.max(self.joined.capacity() * 2).max(UNKNOWN);
                self.pay(room)?;
                self.joined.reserve_exact(room - self.joined.len());
            }
            None => {}
        }
        self.joined
            .extend_from_slice(&std::mem::take(&mut self.first));
        self.joined.extend_from_slice(&part);
        Ok(())
    }

    fn pay(&mut self, bytes: usize) -> Result<(), Refused> {
        if bytes <= FREE {
            return Ok(());
        }
        let charge = self.charge.get_or_insert_with(|| self.place.charge());
        charge.cover(bytes)
    }

    /// The body, with what pays for it.
    fn into_bytes(mut self) -> Bytes {
        let bytes = if self.joined.is_empty() {
            self.first
        } else {
            self.joined.shrink_to_fit();
            Bytes::from(self.joined)
        };
        match self.charge {
            Some(charge) => charge.tie(bytes),
            None => bytes,
        }
    }
}
