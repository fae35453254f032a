//! The texts of an event stream, on its way to the client.
//!
//! The meter reads what the upstream sent, and the client gets what the guards leave of it: whole events. A stream that a guard
//! ends is ended for the client as the guard says, and its upstream is left as by a client that leaves.

use bytes::Bytes;
use witgate_messages::content::Follows;
use witgate_messages::{content, error};
use witgate_upstream::Response;

use super::decoded::Decoding;
use super::ended::Ended;
use super::limits::MAX_HELD;
use super::texts::Texts;
use crate::answer::refused::Refused;
use crate::exchange::downstream::Downstream;
use crate::exchange::forward::answered::HeldBack;
use crate::exchange::headers;
use crate::exchange::relay::metering::is_event_stream;
use crate::exchange::relay::stopped::Stopped;
use crate::exchange::relay::{self, limit};
use crate::exchange::settle::Settlement;
use crate::listen::session::HttpSession;
use crate::tenants::concurrency::{Charge, FREE, Permit};

/// A stream between its upstream and its client.
struct Passing {
    stream: content::Stream,
    decoding: Decoding,
    charge: Option<Charge>,
}

/// Delivers a stream whose texts guards read.
pub(super) async fn deliver(
    (response, held_back): (&mut Response, HeldBack),
    client: &mut Downstream,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<(), Stopped> {
    let decoding = match head(response, client, session, settlement).await {
        Err(Stopped::Spent(refused)) => {
            return limit::end_with(refused, client, session, settlement).await;
        }
        head => head?,
    };
    let mut passing = Passing {
        stream: content::Stream::default(),
        decoding: match decoding {
            Ok(decoding) => decoding,
            Err(refused) => {
                let ended = Ended::from(refused);
                let stream = &mut content::Stream::default();
                return end(stream, ended, Vec::new(), client, session, settlement).await;
            }
        },
        charge: settlement.permit.as_ref().map(Permit::charge),
    };
    for chunk in held_back {
        passing.pass(&chunk, client, session, settlement).await?;
    }
    let read = body(&mut passing, response, client, session, settlement).await;
    match read {
        Ok(()) => {}
        // What was held back is the end of its text now.
        Err(
            stopped @ (Stopped::UpstreamClosed(_) | Stopped::TimedOut(_) | Stopped::Refused(_)),
        ) => {
            passing
                .finish(Follows::Nothing, client, session, settlement)
                .await?;
            return Err(stopped);
        }
        Err(Stopped::Spent(refused)) => {
            passing
                .finish(Follows::Event, client, session, settlement)
                .await?;
            return limit::end_with(refused, client, session, settlement).await;
        }
        Err(stopped @ (Stopped::ClientGone | Stopped::Guard)) => return Err(stopped),
    }
    passing
        .finish(Follows::Nothing, client, session, settlement)
        .await?;
    relay::end(response, client, session).await
}

/// Sends the head of a body that leaves decoded and in any length. Returns the decoder of the body.
pub(super) async fn head(
    response: &Response,
    client: &mut Downstream,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<Result<Decoding, Refused>, Stopped> {
    let Some(head) = response.head() else {
        return Err(Stopped::UpstreamClosed("it had no head".into()));
    };
    settlement.set_status(head.status.as_u16());
    let decoding = Decoding::of(&head.headers);
    if !client.has_early_headers() {
        let mut head = head.clone();
        head.headers.remove("content-encoding");
        head.headers.remove("content-length");
        let extra = settlement.answer_headers();
        let own = headers::response_head(&head, relay::framing(session, &head), &extra);
        client.head(session, &own).await?;
    }
    if is_event_stream(&head.headers) {
        client.allow_pings();
    }
    settlement.keep().await?;
    Ok(decoding)
}

/// Passes the body on until its end.
async fn body(
    passing: &mut Passing,
    response: &mut Response,
    client: &mut Downstream,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<(), Stopped> {
    let step = limit::step(settlement);
    while let Some(mut chunk) = relay::next_chunk(response, client, session).await? {
        while !chunk.is_empty() {
            let part = chunk.split_to(chunk.len().min(step));
            settlement.read(&part);
            settlement.keep().await?;
            passing.pass(&part, client, session, settlement).await?;
        }
    }
    Ok(())
}

// === impl Passing ===

impl Passing {
    /// Passes on what the guards leave of a chunk.
    async fn pass(
        &mut self,
        chunk: &Bytes,
        client: &mut Downstream,
        session: &mut HttpSession,
        settlement: &mut Settlement,
    ) -> Result<(), Stopped> {
        if !client.is_there() {
            // The rest is read for its usage alone.
            return Ok(client.body(session, chunk.clone(), false).await?);
        }
        let mut out = Vec::new();
        let fed = self.feed(chunk, settlement, &mut out);
        self.send(fed, out, client, session, settlement).await
    }

    /// Passes on what was held back.
    async fn finish(
        &mut self,
        follows: Follows,
        client: &mut Downstream,
        session: &mut HttpSession,
        settlement: &mut Settlement,
    ) -> Result<(), Stopped> {
        let mut out = Vec::new();
        let finished = match settlement.guards() {
            Some(guards) if client.is_there() => {
                let guard = &mut Texts(guards);
                self.stream.finish(follows, guard, &mut out)
            }
            Some(_) | None => Ok(()),
        };
        let finished = finished.map_err(Ended::from);
        self.send(finished, out, client, session, settlement).await
    }

    fn feed(
        &mut self,
        chunk: &[u8],
        settlement: &mut Settlement,
        out: &mut Vec<u8>,
    ) -> Result<(), Ended> {
        let Some(guards) = settlement.guards() else {
            return Ok(());
        };
        let Self {
            stream,
            decoding,
            charge,
        } = self;
        decoding.feed(chunk, |plain| {
            stream.feed(plain, &mut Texts(guards), out)?;
            cover(charge.as_mut(), stream.held()).map_err(Ended::from)
        })
    }

    async fn send(
        &mut self,
        fed: Result<(), Ended>,
        out: Vec<u8>,
        client: &mut Downstream,
        session: &mut HttpSession,
        settlement: &mut Settlement,
    ) -> Result<(), Stopped> {
        if let Err(ended) = fed {
            return end(&mut self.stream, ended, out, client, session, settlement).await;
        }
        if !out.is_empty() {
            let out = Bytes::from(out);
            settlement.count(&out);
            client.body(session, out, false).await?;
        }
        Ok(())
    }
}

/// Charges what is held back.
///
/// # Errors
///
/// It is too much, or there is no memory for it.
pub(super) fn cover(charge: Option<&mut Charge>, held: usize) -> Result<(), Refused> {
    if held > MAX_HELD {
        return Err(Refused::upstream(
            502,
            "the upstream's response has a part of more than 32 MiB, which the gateway's guards can't read",
        ));
    }
    match charge {
        Some(charge) if held > FREE => charge.cover(held),
        Some(_) | None => Ok(()),
    }
}

/// Ends a stream as the guard says. `out` is what leaves before the end.
async fn end(
    stream: &mut content::Stream,
    ended: Ended,
    mut out: Vec<u8>,
    client: &mut Downstream,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<(), Stopped> {
    let Ended { refused, quietly } = ended;
    match quietly {
        Some(explanation) => {
            let tokens = settlement.output_so_far();
            stream.refuse(&explanation, tokens, &mut out);
        }
        None => {
            let event = error::sse_event(&refused.kind, &refused.message, Some(settlement.id()));
            out.extend_from_slice(&event);
        }
    }
    let out = Bytes::from(out);
    settlement.count(&out);
    client.body(session, out, true).await?;
    settlement.end_by_guard(*refused);
    Err(Stopped::Guard)
}
