//! Step 6: the answer, as it comes. The bytes pass untouched, and a meter reads a copy.
//!
//! The gateway adds only pings to an upstream's stream, between two events of an uncompressed stream, and an error
//! event where it ends the stream itself.

pub(crate) mod early_headers;
pub(crate) mod limit;
pub(crate) mod metering;
pub(crate) mod stopped;

use bytes::{Bytes, BytesMut};
use http::Version;
use witgate_http::{Headers, ResponseHead};
use witgate_messages::error::{self, ErrorType};
use witgate_upstream::{Attempt, Response};

use self::metering::Metering;
use self::stopped::Stopped;
use super::delivery::{ConnectionFate, Delivered};
use super::downstream::{Downstream, ready};
use super::forward::answered::{Answered, Forwarded, HeldBack};
use super::settle::{Settlement, Unkept};
use crate::answer::refused::Refused;
use crate::answer::{self, Answer};
use crate::exchange::headers::{self, Framing};
use crate::listen::session::{ClientError, HttpSession};
use crate::receipts::receipt::Outcome;

/// Largest number of bytes that are joined into one write.
const JOIN: usize = 64 * 1024;

/// The part of a body that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// All of it, and its end.
    WithEnd,
    /// All of it. The end is still to be sent.
    WithoutEnd,
}

/// Answers a health probe of a client.
pub(super) async fn answer_health_probe(
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<Delivered, Refused> {
    settlement.set_status(200);
    let headers = settlement.headers();
    let written = answer::write(session, Answer::Probe { headers }).await;
    Ok(answered(&written, settlement))
}

/// Answers the preflight request of a browser.
pub(super) async fn answer_preflight(
    granted: Headers,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<Delivered, Refused> {
    settlement.set_status(204);
    let mut headers = settlement.headers().clone();
    headers.extend(&granted);
    let headers = &headers;
    let written = answer::write(session, Answer::Preflight { headers }).await;
    Ok(answered(&written, settlement))
}

/// Delivers the answer.
pub(super) async fn relay(
    forwarded: Forwarded,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Delivered {
    let Forwarded {
        answered:
            Answered {
                mut response,
                attempt,
                held_back,
                metering,
            },
        mut client,
    } = forwarded;
    begin(metering, session, settlement);
    let delivered = deliver(&mut response, held_back, &mut client, session, settlement).await;
    let delivered = conclude(delivered, &mut response, &client, session, settlement).await;
    release(response, attempt, settlement);
    delivered
}

/// Prepares the delivery of an answer: the settlement takes over its meter, and the client gets the time to read it.
pub(super) fn begin(
    metering: Option<Metering>,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) {
    if let Some(metering) = metering {
        settlement.meter(metering);
    }
    session.set_write_timeout(settlement.snapshot().config.limits.write_timeout);
}

/// Ends an answer that was delivered as far as `delivered` says.
pub(super) async fn conclude(
    delivered: Result<(), Stopped>,
    response: &mut Response,
    client: &Downstream,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Delivered {
    let (outcome, connection) = match delivered {
        Ok(()) if client.is_there() => (None, ConnectionFate::KeepAlive),
        // It was read to its end without a client.
        Ok(()) | Err(Stopped::ClientGone) => (Some(Outcome::ClientGone), ConnectionFate::Close),
        Err(Stopped::UpstreamClosed(reason)) => {
            settlement.ending(format!("the upstream broke off: {reason}"));
            (Some(Outcome::Cut), ConnectionFate::Close)
        }
        Err(Stopped::Refused(reason)) => {
            settlement.ending(reason);
            (Some(Outcome::Cut), ConnectionFate::Close)
        }
        Err(Stopped::Guard) => (Some(Outcome::Refused), ConnectionFate::KeepAlive),
        Err(Stopped::Spent(refused)) => {
            settlement.ending(refused.message);
            (Some(Outcome::Cut), ConnectionFate::KeepAlive)
        }
        Err(Stopped::TimedOut(reason)) => {
            write_error_event(&reason, client, session, settlement).await;
            settlement.ending(reason);
            (Some(Outcome::Cut), ConnectionFate::Close)
        }
    };
    if !client.is_there() {
        settlement.ending(if response.is_done() {
            "the client disconnected; the response was read to its end".into()
        } else {
            "the client disconnected; the response was read up to the limit of draining".into()
        });
    }
    let outcome = outcome.unwrap_or_else(|| {
        if settlement.status().is_some_and(|status| status >= 400) {
            Outcome::UpstreamError
        } else if settlement.stream_error().is_some() {
            Outcome::StreamError
        } else {
            Outcome::Answered
        }
    });
    Delivered {
        outcome,
        connection,
    }
}

/// Tells the upstream's statistics how its answer ended, and returns the connection of one that was read to its end.
pub(super) fn release(mut response: Response, mut attempt: Attempt, settlement: &mut Settlement) {
    if let Some(figures) = response.figures() {
        settlement.note_figures(figures);
    }
    if let Some(error) = settlement.stream_error() {
        attempt.reported(error.kind.status());
    }
    // A body that broke off counts against the upstream, whatever ended the exchange.
    attempt.body_read(&response);
    if response.is_done() {
        attempt.release(response);
    }
}

/// Sends the head, the bytes that were held back, and the rest of the body as it comes.
async fn deliver(
    response: &mut Response,
    held_back: HeldBack,
    client: &mut Downstream,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<(), Stopped> {
    let Some(head) = response.head() else {
        return Err(Stopped::UpstreamClosed("it had no head".into()));
    };
    settlement.set_status(head.status.as_u16());
    let plain_stream = early_headers::is_plain_stream(head);
    if client.has_early_headers() {
        if !early_headers::fits(head) {
            return refuse_late(response, client, session, settlement).await;
        }
    } else {
        let extra = settlement.answer_headers();
        let own = headers::response_head(head, framing(session, head), &extra);
        client.head(session, &own).await?;
    }
    if plain_stream {
        client.allow_pings();
    }

    if let Err(unkept) = settlement.keep().await {
        return limit::end(unkept.into(), client, session, settlement).await;
    }
    for chunk in held_back {
        settlement.count(&chunk);
        client.body(session, chunk, false).await?;
    }
    match body(response, client, session, settlement).await? {
        Sent::WithEnd => Ok(()),
        Sent::WithoutEnd => end(response, client, session).await,
    }
}

/// Ends the body, with the upstream's trailers.
pub(super) async fn end(
    response: &mut Response,
    client: &mut Downstream,
    session: &mut HttpSession,
) -> Result<(), Stopped> {
    // Only HTTP/2 has trailers on both sides; HTTP/1.1 clients would have to ask for them.
    if let Some(trailers) = response.trailers().filter(|_| session.is_http2()) {
        let ended = session.write_trailers(trailers).await;
        return ended.map_err(|_| Stopped::ClientGone);
    }
    client.body(session, Bytes::new(), true).await?;
    Ok(())
}

/// Passes the body on, chunk by chunk, until its end. The last chunk takes the end with it if that has arrived and has no trailers.
async fn body(
    response: &mut Response,
    client: &mut Downstream,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<Sent, Stopped> {
    let step = limit::step(settlement);
    loop {
        client.set_between_events(settlement.is_between_events());
        let Some(mut chunk) = next_chunk(response, client, session).await? else {
            return Ok(Sent::WithoutEnd);
        };
        let is_last = response.is_done() && !session.is_http2();
        while !chunk.is_empty() {
            let part = chunk.split_to(chunk.len().min(step));
            let place = settlement.place();
            settlement.read(&part);
            match settlement.keep().await {
                Ok(()) => {}
                Err(Unkept::Spent(refused)) => {
                    let cut = limit::Cut { refused, place };
                    let come = [part, chunk];
                    cut.after(come, response, client, session, settlement)
                        .await?;
                    return Ok(Sent::WithoutEnd);
                }
                Err(unkept) => return Err(unkept.into()),
            }
            settlement.count(&part);
            let end = is_last && chunk.is_empty();
            client.body(session, part, end).await?;
            if end {
                return Ok(Sent::WithEnd);
            }
        }
    }
}

/// Reads the next bytes of a body, with all that have arrived behind them. Returns `None` at its end.
pub(super) async fn next_chunk(
    response: &mut Response,
    client: &mut Downstream,
    session: &mut HttpSession,
) -> Result<Option<Bytes>, Stopped> {
    while !response.is_done() {
        let read = client.during(session, response.read()).await?;
        if let Some(first) = read.map_err(|error| Stopped::of(&error))? {
            return Ok(Some(join(first, response).await));
        }
    }
    Ok(None)
}

/// Reports an error that came after the early headers.
async fn refuse_late(
    response: &mut Response,
    client: &mut Downstream,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<(), Stopped> {
    let report = client
        .during(session, early_headers::error_of(response))
        .await?;
    let event = error::sse_event(&report.kind, &report.message, Some(settlement.id()));
    settlement.count(&event);
    client.body(session, event, true).await?;
    Ok(())
}

/// Ends a stream with an error event, where one may be inserted.
async fn write_error_event(
    reason: &str,
    client: &Downstream,
    session: &mut HttpSession,
    settlement: &Settlement,
) {
    if client.has_plain_stream() && settlement.is_between_events() {
        let event = error::sse_event(&ErrorType::Timeout, reason, Some(settlement.id()));
        // The connection is closed after it in any case.
        let _ = session.write_body(event, false).await;
    }
}

/// Returns the framing of the client's answer.
pub(super) fn framing(session: &HttpSession, head: &ResponseHead) -> Framing {
    let bodiless = matches!(head.status.as_u16(), 204 | 304);
    if bodiless || head.headers.contains_key("content-length") || session.is_http2() {
        Framing::AsGiven
    } else if session.request().version == Version::HTTP_10 {
        Framing::UntilClose
    } else {
        Framing::Chunked
    }
}

/// Joins the chunks that have already arrived, so that they leave in one write. Never waits for more.
async fn join(first: Bytes, response: &mut Response) -> Bytes {
    let mut joined = BytesMut::new();
    while first.len() + joined.len() < JOIN && !response.is_done() {
        match ready(response.read()).await {
            Some(Ok(Some(more))) => {
                if joined.is_empty() {
                    joined.extend_from_slice(&first);
                }
                joined.extend_from_slice(&more);
            }
            // The next read finds a broken connection again, after these bytes have been sent.
            Some(Ok(None) | Err(_)) | None => break,
        }
    }
    if joined.is_empty() {
        first
    } else {
        joined.freeze()
    }
}

/// Ends an exchange that the gateway answered itself.
fn answered(written: &Result<Bytes, ClientError>, settlement: &mut Settlement) -> Delivered {
    let connection = match written {
        Ok(body) => {
            settlement.count(body);
            ConnectionFate::KeepAlive
        }
        Err(_) => ConnectionFate::Close,
    };
    Delivered {
        outcome: Outcome::Answered,
        connection,
    }
}
