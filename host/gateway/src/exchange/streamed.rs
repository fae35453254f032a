//! Bodies that are never held as a whole: files, and what passes through.
//!
//! Each piece goes to the upstream before the next one is read, so a stream holds one piece, whatever its length, and a
//! bounded number of them while the upstream takes nothing ([`ahead`]). An answer that comes before the end ends the
//! sending, and so does a client that leaves, also while the upstream takes nothing. Nothing is tried twice: the bytes
//! are gone. A client has to keep up [`SLOWEST`], past the time that any body has.

mod ahead;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::header;
use pingora_core::protocols::http::ServerSession;
use tokio::time::{Instant, timeout_at};

use self::ahead::Ahead;
use super::admit::Admitted;
use super::authorize::kind;
use super::buffered;
use super::buffered::fetch::{self, Client as Waiting, Whole};
use super::decide::Decision;
use super::decide::targets::Target;
use super::downstream::{Client, ClientLeft, while_there};
use super::forward::Forwarded;
use super::forward::first_content::Held;
use super::receive::{announced, broken, invite, slow, window};
use super::relay::{self, Delivered};
use super::settle::Settlement;
use crate::answer::refused::Refused;
use crate::gateway::Gateway;
use crate::tenants::concurrency::Place;
use crate::tenants::owners::Kind;
use crate::upstream::connection::upload::{Length, Sending, Taken};
use crate::upstream::connection::{Answering, Failed};
use crate::upstream::stats::InFlight;

/// Bytes a second that a client has to send on average.
const SLOWEST: u64 = 16 * 1024;

/// How long the rest of a body is read after the answer to it came early.
const LINGER: Duration = Duration::from_secs(2);

/// How far a body got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Whole,
    /// The upstream answered before its end.
    Part,
}

/// The start of an upstream's answer to a streamed body.
struct Answered {
    answering: Answering,
    in_flight: InFlight,
    sent: Sent,
}

/// Why a request stopped before its answer.
enum Stopped {
    /// The client left, or its body can't be taken.
    Client(Refused),
    /// The upstream failed.
    Upstream(Failed),
}

/// Uploads a file or a skill, and claims it for its owner.
///
/// # Errors
///
/// The body can't be read to its end, the upstream gave no answer, or the file can't be recorded.
pub(super) async fn upload(
    admitted: Admitted,
    gateway: &Gateway,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<Delivered, Refused> {
    let decision = admitted.decision;
    let target = first(&decision)?;
    let mut answered = send(&decision, target, Waiting::MayLeave, session, settlement).await?;
    let whole = read(&mut answered, target, settlement).await?;
    let kind = kind(decision.view.endpoint).unwrap_or(Kind::File);
    let whole = buffered::claim(gateway, settlement, kind, whole).await?;
    end_early(session);
    Ok(whole.deliver(session, settlement).await)
}

/// Passes a body on, and its answer.
///
/// # Errors
///
/// The body can't be read to its end, or the upstream gave no answer.
pub(super) async fn stream(
    admitted: Admitted,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<Delivered, Refused> {
    let decision = admitted.decision;
    let target = first(&decision)?;
    let mut answered = send(&decision, target, Waiting::Needed, session, settlement).await?;
    if answered.sent == Sent::Part {
        // The rest of the body still comes in: nothing may be read as if the request had ended.
        let whole = read(&mut answered, target, settlement).await?;
        end_early(session);
        return Ok(whole.deliver(session, settlement).await);
    }
    let Answered {
        mut answering,
        in_flight,
        ..
    } = answered;
    answering.set_idle_timeout(target.upstream.config.idle_timeout);
    let forwarded = Forwarded {
        answering: Box::new(answering),
        upstream: Arc::clone(&target.upstream),
        in_flight,
        client: Client::waiting(&decision.snapshot, settlement.started(), None, None),
        held: Held::new(),
        metering: None,
    };
    Ok(relay::relay(forwarded, session, settlement).await)
}

fn first(decision: &Decision) -> Result<&Target, Refused> {
    decision
        .targets
        .first()
        .ok_or_else(|| Refused::gateway(503, "the route has no target"))
}

async fn read(
    answered: &mut Answered,
    target: &Target,
    settlement: &Settlement,
) -> Result<Whole, Refused> {
    let upstream = &target.upstream.config;
    answered.answering.set_idle_timeout(upstream.idle_timeout);
    let charge = settlement.place.as_ref().map(Place::charge);
    let whole = Whole::read(&mut answered.answering, &upstream.name, charge).await;
    answered.in_flight.read(&answered.answering);
    whole
}

/// A connection that is closed with unread bytes is reset, and a reset can overtake the answer.
fn end_early(session: &mut ServerSession) {
    session.set_close_on_response_before_downstream_finish(false);
    session.set_total_drain_timeout(Some(LINGER));
}

/// Sends the body as it comes and waits for the head of the answer.
async fn send(
    decision: &Decision,
    target: &Target,
    waiting: Waiting,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<Answered, Refused> {
    let mut in_flight = target.upstream.enter();
    let answered = attempt(
        decision,
        target,
        waiting,
        &mut in_flight,
        session,
        settlement,
    )
    .await;
    let answered = answered.map_err(|stopped| stopped.into_refused(&mut in_flight));
    settlement.heard(
        answered
            .as_ref()
            .ok()
            .and_then(|(answering, _)| answering.head()),
    );
    let result = match &answered {
        Ok((answering, _)) => Ok(answering.status()),
        Err(refused) => Err(refused.message.clone()),
    };
    settlement.note_attempt(&target.upstream, None, result);
    let (answering, sent) = answered?;
    Ok(Answered {
        answering,
        in_flight,
        sent,
    })
}

async fn attempt(
    decision: &Decision,
    target: &Target,
    waiting: Waiting,
    in_flight: &mut InFlight,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<(Answering, Sent), Stopped> {
    let (head, length) = request(decision, target, session);
    let mut sending = there(session, target.upstream.begin(head, length)).await?;
    invite(session).await?;
    let sent = body(&mut sending, session, settlement).await?;
    in_flight.sent();
    let answer = sending.answer(target.limit);
    let answering = match (waiting, sent) {
        (Waiting::Needed, Sent::Whole) => there(session, answer).await?,
        _ => answer.await.map_err(Stopped::Upstream)?,
    };
    match sent {
        Sent::Whole => in_flight.answered(&answering),
        Sent::Part => in_flight.answered_early(&answering),
    }
    Ok((answering, sent))
}

/// Waits for a step of the sending while the client is there.
async fn there<T>(
    session: &mut ServerSession,
    step: impl Future<Output = Result<T, Failed>>,
) -> Result<T, Stopped> {
    match while_there(session, step).await {
        Ok(done) => done.map_err(Stopped::Upstream),
        Err(ClientLeft) => Err(Stopped::Client(Refused::client(
            499,
            "the client went away before an answer was there",
        ))),
    }
}

// === impl Stopped ===

impl Stopped {
    /// Returns what the client is told, once the upstream's part in it has been learned.
    fn into_refused(self, in_flight: &mut InFlight) -> Refused {
        match self {
            Self::Client(refused) => refused,
            Self::Upstream(failed) => {
                in_flight.failed(&failed);
                fetch::warn(&failed)
            }
        }
    }
}

impl From<Refused> for Stopped {
    fn from(refused: Refused) -> Self {
        Self::Client(refused)
    }
}

/// What happens next while a body is under way.
enum Next {
    Part(Option<Bytes>),
    Answer,
}

async fn body(
    sending: &mut Sending,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<Sent, Stopped> {
    let limits = settlement.snapshot().config.limits.clone();
    let started = Instant::now();
    let place = settlement.place.as_ref();
    let _window = match place {
        Some(place) => window(session, announced(session), place)?,
        None => None,
    };
    let mut ahead = Ahead::new(place.map(Place::charge));
    loop {
        let received = settlement.receipt.request_bytes;
        let deadline = started + limits.body_timeout + Duration::from_secs(received / SLOWEST);
        let next = match ahead.take() {
            Some(part) => Next::Part(part),
            None => tokio::select! {
                biased;
                () = sending.answered() => Next::Answer,
                read = timeout_at(deadline, session.read_request_body()) => match read {
                    Ok(Ok(part)) => Next::Part(part),
                    Ok(Err(error)) => return Err(broken(&error).into()),
                    Err(_) => return Err(slow(deadline - started).into()),
                },
            },
        };
        let part = match next {
            Next::Answer => return Ok(Sent::Part),
            Next::Part(None) => {
                // A body that could not be ended may have been answered all the same.
                there(session, sending.end()).await?;
                return Ok(Sent::Whole);
            }
            Next::Part(Some(part)) => part,
        };
        let received = received + part.len() as u64;
        settlement.receipt.request_bytes = received;
        if received > limits.upload_bytes {
            return Err(over(limits.upload_bytes).into());
        }
        if ahead.write(part, sending, session).await? == Taken::Answered {
            return Ok(Sent::Part);
        }
    }
}

/// The answer to a body that is too large.
pub(super) fn over(limit: u64) -> Refused {
    Refused::client(
        413,
        format!("the upload is larger than the {limit} bytes that this gateway takes"),
    )
}

/// The head of the upstream's request. The body is framed as the client frames it, and the connection serves nothing
/// else: a body that broke off must never be continued by another request.
fn request(decision: &Decision, target: &Target, session: &ServerSession) -> (BytesMut, Length) {
    let view = &decision.view;
    let mut client = session.req_header().clone();
    if kind_is_absorbed(decision) {
        fetch::plainly(&mut client);
    }
    let declared = client
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.trim().parse::<usize>().ok());
    let path = view.endpoint.upstream_path(&view.path);
    let mut head = fetch::head(target, &client, &path, declared, 0);
    // The empty line goes behind what is added.
    head.truncate(head.len().saturating_sub(2));
    head.put_slice(b"Connection: close\r\n");
    let length = if declared.is_some() {
        Length::Declared
    } else {
        head.put_slice(b"Transfer-Encoding: chunked\r\n");
        Length::Chunked
    };
    head.put_slice(b"\r\n");
    (head, length)
}

fn kind_is_absorbed(decision: &Decision) -> bool {
    kind(decision.view.endpoint).is_some()
}
