//! Questions whose answers are read whole: small, few, and asked of one upstream.
//!
//! The upstream is asked not to encode its answer, because it is looked into. At most [`MOST`] bytes are read. A question
//! is asked of the plan's next target only where any upstream can answer it, which is not the case for what is kept at
//! one of them.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, header};
use pingora_core::protocols::http::ServerSession;
use pingora_http::{RequestHeader, ResponseHeader};
use tokio::time::timeout;

use crate::answer::refused::{Blame, Refused};
use crate::coding::Coding;
use crate::exchange::Downstream;
use crate::exchange::decide::Decision;
use crate::exchange::decide::targets::Target;
use crate::exchange::downstream::{ClientLeft, while_there};
use crate::exchange::forward::Forwarded;
use crate::exchange::relay::Delivered;
use crate::exchange::settle::Settlement;
use crate::headers::{self, BodyCoding, Forwarded as ForwardedHead, Framing};
use crate::receipts::receipt::Outcome;
use crate::tenants::concurrency::{Charge, Place};
use crate::upstream::connection::{Answering, Departure, Failed, Outgoing};
use crate::upstream::limit::ChosenBy;
use crate::upstream::stats::InFlight;

/// Most bytes of an answer that is read whole.
const MOST: usize = 32 << 20;

/// Headers that would make an answer depend on what the client has already.
const CONDITIONS: [HeaderName; 6] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

/// Whoever asks, and on whose behalf.
pub(crate) struct Asker<'a> {
    pub(crate) decision: &'a Decision,
    pub(crate) session: &'a mut ServerSession,
    pub(crate) settlement: &'a mut Settlement,
}

/// What is asked.
pub(crate) struct Question<'a> {
    pub(crate) method: Method,
    /// Path and query below the upstream's base.
    pub(crate) path: &'a str,
    /// The body; none for a request that has no use for one.
    pub(crate) body: Option<&'a [Bytes]>,
    pub(crate) client: Client,
}

/// Whether the answer is of use without the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// Nobody else needs it: the question ends with the client.
    Needed,
    /// Once it has gone out it has to be recorded, whoever is left to read it.
    MayLeave,
}

/// An answer that is all there.
pub(crate) struct Whole {
    pub(crate) head: ResponseHeader,
    pub(crate) body: Bytes,
}

// === impl Asker ===

impl Asker<'_> {
    /// Asks the plan's targets in order until one answers with something that the next could not do better.
    ///
    /// # Errors
    ///
    /// No target gave an answer, or the client went away.
    pub(crate) async fn ask(&mut self, question: &Question<'_>) -> Result<Whole, Refused> {
        let mut outcome = Err(Refused::gateway(503, "the route has no target"));
        for target in &self.decision.targets {
            outcome = self.ask_one(target, question).await;
            match &outcome {
                Ok(whole) if whole.head.status.is_server_error() => {}
                Err(refused) if refused.status >= 500 => {}
                _ => break,
            }
        }
        outcome
    }

    async fn ask_one(
        &mut self,
        target: &Target,
        question: &Question<'_>,
    ) -> Result<Whole, Refused> {
        let mut request = self.session.req_header().clone();
        request.set_method(question.method.clone());
        plainly(&mut request);
        let body = question.body.unwrap_or_default();
        let len = body.iter().map(Bytes::len).sum();
        let length = question.body.map(|_| len);
        let outgoing = Outgoing {
            head: head(target, &request, question.path, length, len),
            body,
        };
        let mut in_flight = target.upstream.enter();
        let departure = Departure::default();
        let charge = self.settlement.place.as_ref().map(Place::charge);
        let answered = {
            let mut asked = pin!(answer(target, outgoing, &mut in_flight, &departure, charge));
            match while_there(self.session, &mut asked).await {
                Ok(answered) => answered,
                Err(ClientLeft) if question.goes_on(&departure) => asked.await,
                Err(ClientLeft) => {
                    let left = Err("the client went away".into());
                    self.settlement.note_attempt(&target.upstream, None, left);
                    return Err(Refused::client(
                        499,
                        "the client went away before an answer was there",
                    ));
                }
            }
        };
        self.settlement
            .heard(answered.as_ref().ok().map(|whole| &whole.head));
        let result = match &answered {
            Ok(whole) => Ok(whole.head.status.as_u16()),
            Err(refused) => Err(refused.message.clone()),
        };
        self.settlement.note_attempt(&target.upstream, None, result);
        answered
    }
}

// === impl Question ===

impl Question<'_> {
    /// Whether it goes on without its client. What has not gone out as a whole can't have been acted on, so that there
    /// is nothing to record.
    fn goes_on(&self, departure: &Departure) -> bool {
        self.client == Client::MayLeave && departure.is_complete()
    }
}

/// Sends and reads it all.
async fn answer(
    target: &Target,
    outgoing: Outgoing<'_>,
    in_flight: &mut InFlight,
    departure: &Departure,
    charge: Option<Charge>,
) -> Result<Whole, Refused> {
    let upstream = &target.upstream;
    let mut answering = in_flight
        .ask_watched(outgoing, target.limit, departure)
        .await
        .map_err(|failed| warn(&failed))?;
    answering.set_idle_timeout(upstream.config.idle_timeout);
    // A small answer that comes by the byte keeps to every idle timeout; all of it has the time that its head had.
    let limit = target.limit;
    let name = &upstream.config.name;
    let read = timeout(limit.after, Whole::read(&mut answering, name, charge)).await;
    let whole = read.unwrap_or_else(|_| {
        let message = format!("the upstream {name} did not give all of its answer {limit}");
        Err(Refused::upstream(504, message))
    });
    in_flight.read(&answering);
    if whole.is_ok() {
        answering.release(upstream).await;
    }
    whole
}

/// Logs an attempt that failed, and returns what the client is told of it.
pub(crate) fn warn(failed: &Failed) -> Refused {
    tracing::warn!(error = %failed, "an attempt failed");
    refuse(failed)
}

/// Returns what the client is told of an upstream that gave no answer, with the blame where the limit came from.
pub(crate) fn refuse(failed: &Failed) -> Refused {
    let message = failed.to_string();
    match failed {
        Failed::Timeout { limit, .. } => Refused {
            blame: match limit.chosen_by {
                ChosenBy::Upstream => Blame::Upstream,
                ChosenBy::Plan => Blame::Gateway,
                ChosenBy::Caller => Blame::Client,
            },
            ..Refused::upstream(504, message)
        },
        Failed::Connect { .. } | Failed::Broken { .. } | Failed::Malformed { .. } => {
            Refused::upstream(502, message)
        }
    }
}

/// Asks for an answer that can be looked into.
pub(crate) fn plainly(request: &mut RequestHeader) {
    for name in &CONDITIONS {
        request.remove_header(name);
    }
    // A constant is a value that a header can have.
    let _ = request.insert_header(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
}

/// The head of a request to a target.
pub(crate) fn head(
    target: &Target,
    request: &RequestHeader,
    path: &str,
    body_len: Option<usize>,
    room: usize,
) -> BytesMut {
    let upstream = &target.upstream;
    let addressed = upstream.kind().address(upstream, path);
    let forwarded = ForwardedHead {
        target: &addressed.target,
        authority: &upstream.authority,
        vmx_headers: upstream.config.vmx_headers,
        shown: &addressed.shown,
        coding: BodyCoding::AsSent,
        body_len,
    };
    headers::write_request_head(request, &forwarded, room)
}

/// Delivers the head of an answer and nothing else: the client asked for no more. The connection is let go, because not
/// every server leaves the body out.
pub(crate) async fn head_only(
    forwarded: Forwarded,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Delivered {
    let Some(head) = forwarded.answering.head().cloned() else {
        return Delivered {
            outcome: Outcome::Cut,
            downstream: Downstream::Broken,
        };
    };
    let length = head.headers.get(header::CONTENT_LENGTH).cloned();
    let whole = Whole {
        head,
        body: Bytes::new(),
    };
    whole.deliver_as(length, session, settlement).await
}

// === impl Whole ===

impl Whole {
    /// An answer of the gateway's own.
    pub(crate) fn own(body: Bytes, id: &str) -> Result<Self, Refused> {
        let head = || -> pingora_core::Result<ResponseHeader> {
            let mut head = ResponseHeader::build(200, Some(4))?;
            head.append_header(header::CONTENT_TYPE, "application/json")?;
            head.append_header("request-id", id)?;
            Ok(head)
        };
        match head() {
            Ok(head) => Ok(Self { head, body }),
            Err(_) => Err(Refused::gateway(500, "the answer's head can't be made")),
        }
    }

    /// Reads an answer to its end. It is paid for as it comes.
    ///
    /// # Errors
    ///
    /// It broke off, is too large, is encoded although it was asked not to be, or there is no memory for it now.
    pub(crate) async fn read(
        answering: &mut Answering,
        upstream: &str,
        mut charge: Option<Charge>,
    ) -> Result<Self, Refused> {
        let fail = |what: &str| Refused::upstream(502, format!("the upstream {upstream} {what}"));
        let head = answering
            .head()
            .cloned()
            .ok_or_else(|| fail("gave no head"))?;
        let coding = head.headers.get(header::CONTENT_ENCODING);
        if Coding::parse(coding) != Ok(None) {
            return Err(fail("encoded an answer that it was asked to leave plain"));
        }
        let mut body = Vec::new();
        while !answering.is_done() {
            let read = answering.read().await;
            let Some(chunk) = read.map_err(|_| fail("broke off in the middle of its answer"))?
            else {
                continue;
            };
            let len = body.len() + chunk.len();
            if len > MOST {
                return Err(fail(
                    "gave an answer of more than 32 MiB where a small one belongs",
                ));
            }
            if let Some(charge) = &mut charge {
                charge.grow(&mut body, len, MOST)?;
            }
            body.extend_from_slice(&chunk);
        }
        body.shrink_to_fit();
        let body = Bytes::from(body);
        Ok(Self {
            head,
            body: match charge {
                Some(charge) => charge.tie(body),
                None => body,
            },
        })
    }

    /// Whether the upstream did what it was asked.
    pub(crate) fn is_success(&self) -> bool {
        self.head.status.is_success()
    }

    /// Writes it to the client.
    pub(crate) async fn deliver(
        self,
        session: &mut ServerSession,
        settlement: &mut Settlement,
    ) -> Delivered {
        let bodiless = matches!(self.head.status.as_u16(), 204 | 304);
        let length = (!bodiless).then(|| HeaderValue::from(self.body.len()));
        self.deliver_as(length, session, settlement).await
    }

    async fn deliver_as(
        self,
        length: Option<HeaderValue>,
        session: &mut ServerSession,
        settlement: &mut Settlement,
    ) -> Delivered {
        let status = self.head.status.as_u16();
        settlement.receipt.status = Some(status);
        let outcome = if status >= 400 {
            Outcome::UpstreamError
        } else {
            Outcome::Answered
        };
        match self.write(length, session, settlement).await {
            Ok(()) => Delivered {
                outcome,
                downstream: Downstream::Complete,
            },
            Err(_) => Delivered {
                outcome: Outcome::ClientGone,
                downstream: Downstream::Broken,
            },
        }
    }

    async fn write(
        self,
        length: Option<HeaderValue>,
        session: &mut ServerSession,
        settlement: &mut Settlement,
    ) -> pingora_core::Result<()> {
        let mut extra = settlement.answer_headers();
        extra
            .headers
            .extend(length.map(|length| (header::CONTENT_LENGTH, length)));
        let own = headers::response_head(&self.head, Framing::AsGiven, &extra)?;
        session.set_write_timeout(Some(settlement.snapshot().config.limits.write_timeout));
        session.write_response_header(Box::new(own)).await?;
        let body = if session.req_header().method == Method::HEAD {
            Bytes::new()
        } else {
            self.body
        };
        settlement.delivered(&body);
        session.write_response_body(body, true).await
    }
}
