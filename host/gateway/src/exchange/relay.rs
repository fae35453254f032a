//! Step 5: the answer, as it comes. The bytes pass untouched; the meter reads beside them.
//!
//! The only bytes of our own in an upstream's stream are pings, between two events of a stream in no coding, and an
//! error event where it is the gateway that ends the stream.

pub(crate) mod early_head;
pub(crate) mod metering;

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Version, header};
use pingora_core::ErrorType as IoError;
use pingora_core::protocols::http::ServerSession;
use pingora_http::ResponseHeader;
use witgate_messages::error::{self, ErrorType};

use super::Downstream;
use super::downstream::{Client, Interrupted};
use super::forward::Forwarded;
use super::forward::first_content::Held;
use super::settle::Settlement;
use crate::answer::refused::Refused;
use crate::answer::{self, Answer};
use crate::headers::{self, Framing};
use crate::receipts::receipt::Outcome;
use crate::tenants::owners::ClaimError;
use crate::upstream::connection::Answering;

/// Most bytes that are joined into one write.
const JOIN: usize = 64 * 1024;

/// How the delivery of an answer ended.
pub(super) struct Delivered {
    pub(super) outcome: Outcome,
    pub(super) downstream: Downstream,
}

/// Why an answer stopped before its end.
enum Stopped {
    ClientGone,
    /// The upstream broke off.
    Cut(String),
    /// The gateway ends it: it took longer than a limit allows.
    Late(String),
    /// The gateway ends it: it can't answer for what comes.
    Refused(String),
}

/// Answers a client's check whether anybody is there.
pub(super) async fn probe(
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<Delivered, Refused> {
    settlement.receipt.status = Some(200);
    let headers = settlement.headers();
    let written = answer::write(session, Answer::Probe { headers }).await;
    Ok(Delivered::at_once(&written, settlement))
}

/// Tells a browser what an app may ask for.
pub(super) async fn preflight(
    granted: Vec<(HeaderName, HeaderValue)>,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<Delivered, Refused> {
    settlement.receipt.status = Some(204);
    let headers = &[settlement.headers(), granted.as_slice()].concat();
    let written = answer::write(session, Answer::Preflight { headers }).await;
    Ok(Delivered::at_once(&written, settlement))
}

/// Delivers the answer.
pub(super) async fn relay(
    forwarded: Forwarded,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Delivered {
    let Forwarded {
        mut answering,
        upstream,
        mut in_flight,
        mut client,
        held,
        metering,
    } = forwarded;
    if let Some(metering) = metering {
        settlement.meter(metering);
    }
    session.set_write_timeout(Some(settlement.snapshot().config.limits.write_timeout));

    let delivered = deliver(&mut answering, held, &mut client, session, settlement).await;
    let (outcome, downstream) = match delivered {
        Ok(()) if client.is_there() => (None, Downstream::Complete),
        // It was read to its end for nobody.
        Ok(()) | Err(Stopped::ClientGone) => (Some(Outcome::ClientGone), Downstream::Broken),
        Err(Stopped::Cut(reason)) => {
            settlement.ending(format!("the upstream broke off: {reason}"));
            (Some(Outcome::Cut), Downstream::Broken)
        }
        Err(Stopped::Refused(reason)) => {
            settlement.ending(reason);
            (Some(Outcome::Cut), Downstream::Broken)
        }
        Err(Stopped::Late(reason)) => {
            tell(&reason, session, settlement).await;
            settlement.ending(reason);
            (Some(Outcome::Cut), Downstream::Broken)
        }
    };
    if !client.is_there() {
        settlement.ending(if answering.is_done() {
            "the client left; the answer was read to its end".into()
        } else {
            "the client left; the answer was read on for as long as it may be".into()
        });
    }
    if let Some(error) = settlement.stream_error() {
        in_flight.reported(error.kind.status());
    }
    // Whether the body broke is a fact of the body, whoever ended the exchange and why.
    in_flight.read(&answering);
    if answering.is_done() {
        answering.release(&upstream).await;
    }
    let outcome = outcome.unwrap_or_else(|| {
        if settlement
            .receipt
            .status
            .is_some_and(|status| status >= 400)
        {
            Outcome::UpstreamError
        } else if settlement.stream_error().is_some() {
            Outcome::StreamError
        } else {
            Outcome::Answered
        }
    });
    Delivered {
        outcome,
        downstream,
    }
}

/// Sends the head, what was held back, and the rest of the body as it comes.
async fn deliver(
    answering: &mut Answering,
    held: Held,
    client: &mut Client,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<(), Stopped> {
    let Some(head) = answering.head() else {
        return Err(Stopped::Cut("it had no head".into()));
    };
    settlement.receipt.status = Some(head.status.as_u16());
    let plain_stream = early_head::is_plain_stream(head);
    if client.has_early_head() {
        if !early_head::fits(head) {
            return refuse_late(answering, client, session, settlement).await;
        }
    } else {
        let extra = settlement.answer_headers();
        let own = headers::response_head(head, framing(session, head), &extra)
            .map_err(|error| Stopped::Refused(error.etype().as_str().to_owned()))?;
        client.head(session, Box::new(own)).await?;
    }
    if plain_stream {
        client.allow_pings();
    }

    settlement.claim_made().await?;
    for chunk in held {
        settlement.count(&chunk);
        client.body(session, chunk, false).await?;
    }
    body(answering, client, session, settlement).await?;
    // Only HTTP/2 has trailers on both sides; HTTP/1.1 clients would have to ask for them.
    if let Some(trailers) = answering.trailers().filter(|_| session.is_http2()) {
        let ended = session.write_response_trailers(trailers).await;
        return ended.map_err(|_| Stopped::ClientGone);
    }
    client.body(session, Bytes::new(), true).await?;
    Ok(())
}

/// Passes the body on, chunk by chunk, until its end.
async fn body(
    answering: &mut Answering,
    client: &mut Client,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<(), Stopped> {
    while !answering.is_done() {
        client.set_between_events(settlement.is_between_events());
        let read = client.during(session, answering.read()).await?;
        let Some(first) = read.map_err(|error| Stopped::of(&error))? else {
            continue;
        };
        let chunk = join(first, answering).await;
        settlement.delivered(&chunk);
        settlement.claim_made().await?;
        client.body(session, chunk, false).await?;
    }
    Ok(())
}

/// Tells the client of an error that came after its head had gone out.
async fn refuse_late(
    answering: &mut Answering,
    client: &mut Client,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<(), Stopped> {
    let report = client
        .during(session, early_head::error_of(answering))
        .await?;
    let event = error::sse_event(&report.kind, &report.message, Some(settlement.id()));
    settlement.count(&event);
    client.body(session, event, true).await?;
    Ok(())
}

/// Ends a stream with an error event, where one can be put.
async fn tell(reason: &str, session: &mut ServerSession, settlement: &Settlement) {
    let is_stream = session
        .response_written()
        .is_some_and(early_head::is_plain_stream);
    if is_stream && settlement.is_between_events() {
        let event = error::sse_event(&ErrorType::Timeout, reason, Some(settlement.id()));
        // The connection is closed after it either way.
        let _ = session.write_response_body(event, false).await;
    }
}

fn framing(session: &ServerSession, head: &ResponseHeader) -> Framing {
    let bodiless = matches!(head.status.as_u16(), 204 | 304);
    if bodiless || head.headers.contains_key(header::CONTENT_LENGTH) || session.is_http2() {
        Framing::AsGiven
    } else if session.req_header().version == Version::HTTP_10 {
        Framing::UntilClose
    } else {
        Framing::Chunked
    }
}

/// Adds the chunks that are there already: what one read brought leaves in one write. It never waits for more.
async fn join(first: Bytes, answering: &mut Answering) -> Bytes {
    let mut joined = BytesMut::new();
    while first.len() + joined.len() < JOIN && !answering.is_done() {
        match ready(answering.read()).await {
            Some(Ok(Some(more))) => {
                if joined.is_empty() {
                    joined.extend_from_slice(&first);
                }
                joined.extend_from_slice(&more);
            }
            // A broken connection is found again by the next read, after these bytes have gone out.
            Some(Ok(None) | Err(_)) | None => break,
        }
    }
    if joined.is_empty() {
        first
    } else {
        joined.freeze()
    }
}

/// The future's value, if it has one at once.
pub(super) async fn ready<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

// === impl Delivered ===

impl Delivered {
    /// The end of an answer of the gateway's own.
    fn at_once(written: &pingora_core::Result<Bytes>, settlement: &mut Settlement) -> Self {
        let downstream = match written {
            Ok(body) => {
                settlement.count(body);
                Downstream::Complete
            }
            Err(_) => Downstream::Broken,
        };
        Self {
            outcome: Outcome::Answered,
            downstream,
        }
    }
}

// === impl Stopped ===

impl Stopped {
    fn of(error: &pingora_core::Error) -> Self {
        match error.etype() {
            IoError::ReadTimedout => {
                Self::Late("the upstream stood still in the middle of its answer".into())
            }
            kind => Self::Cut(kind.as_str().to_owned()),
        }
    }
}

impl From<ClaimError> for Stopped {
    fn from(error: ClaimError) -> Self {
        tracing::error!(%error, "an answer made something that can't be kept as its caller's: it is cut");
        Self::Refused("what the answer made could not be kept as its caller's".into())
    }
}

impl From<Interrupted> for Stopped {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::ClientGone => Self::ClientGone,
            Interrupted::Deadline => {
                Self::Late("the answer took longer than the gateway allows".into())
            }
        }
    }
}
