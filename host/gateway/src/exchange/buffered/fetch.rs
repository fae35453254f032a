//! Requests whose answers are read whole: small and few.
//!
//! The upstream is asked not to compress its answer, because it is looked into. At most [`MAX_ANSWER_BYTES`] are read. The
//! plan's next target is asked only where any upstream can answer, which is not so for what is kept at one of them.

use std::pin::pin;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use tokio::time::timeout;
use witgate_http::{ResponseHead, Value};
use witgate_upstream::{
    Admission, Attempt, Closed, Departure, HeadersOf, Request, RequestError, Response, Severity,
    Wish,
};

use super::named_models;
use crate::answer::refused::Refused;
use crate::exchange::coding::Coding;
use crate::exchange::decide::Decision;
use crate::exchange::decide::targets::Target;
use crate::exchange::delivery::{ConnectionFate, Delivered};
use crate::exchange::downstream::{ClientLeft, while_there};
use crate::exchange::forward::answered::Forwarded;
use crate::exchange::forward::attempt::client_left;
use crate::exchange::forward::failed_attempt::{refuse, refuse_closed, refuse_unfit};
use crate::exchange::forward::no_target;
use crate::exchange::forward::queue::{TargetQueue, Turn};
use crate::exchange::headers::{self, AnswerForm, BodyCoding, Framing, Passing};
use crate::exchange::settle::Settlement;
use crate::listen::session::{ClientError, HttpSession};
use crate::receipts::receipt::Outcome;
use crate::tenants::concurrency::{Charge, Permit};

/// Largest answer that is read whole, in bytes.
const MAX_ANSWER_BYTES: usize = 32 << 20;

/// The context of a request whose answer is read whole.
pub(crate) struct Fetch<'a> {
    pub(crate) decision: &'a Decision,
    pub(crate) session: &'a mut HttpSession,
    pub(crate) settlement: &'a mut Settlement,
}

/// A request whose answer is read whole.
pub(crate) struct FetchRequest<'a> {
    pub(crate) method: Method,
    /// Path and query below the upstream's base URL.
    pub(crate) path: &'a str,
    /// The body, or `None` for a request that has no use for one.
    pub(crate) body: Option<&'a [Bytes]>,
    pub(crate) on_disconnect: OnDisconnect,
}

/// The consequence of a client that disconnects before the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDisconnect {
    /// The request is canceled: nobody else needs its answer.
    Cancel,
    /// A request that has been sent is finished, because its answer has to be recorded.
    Finish,
}

/// An answer that has been read whole.
pub(crate) struct BufferedResponse {
    pub(crate) head: ResponseHead,
    pub(crate) body: Bytes,
}

/// The result for one target.
enum Fetched {
    Answered(Result<BufferedResponse, Refused>),
    /// The upstream does not take the request now.
    Closed(Closed),
    /// The upstream has nothing for the request.
    Unfit(Refused),
    /// The upstream has no list of models, but names in the configuration.
    Named(BufferedResponse),
}

// === impl Fetch ===

impl Fetch<'_> {
    /// Sends a request to the plan's targets in order until one gives an answer that the next could not better.
    ///
    /// # Errors
    ///
    /// No target gave an answer, or the client disconnected.
    pub(crate) async fn send(
        &mut self,
        request: &FetchRequest<'_>,
    ) -> Result<BufferedResponse, Refused> {
        let decision = self.decision;
        let mut queue = TargetQueue::new(&decision.targets);
        let mut outcome = None;
        let mut named = None;
        while let Some(turn) = queue.next() {
            match self.send_to(turn, request).await {
                Fetched::Answered(answered) => {
                    let may_better = match &answered {
                        Ok(response) => response.head.status.is_server_error(),
                        Err(refused) => refused.status >= 500,
                    };
                    outcome = Some(answered);
                    if !may_better {
                        break;
                    }
                }
                Fetched::Closed(closed) => {
                    if closed.severity() == Some(Severity::Failing) {
                        queue.defer(turn);
                    }
                    // The answer of another target says more.
                    outcome.get_or_insert_with(|| Err(refuse_closed(&closed)));
                }
                Fetched::Unfit(refused) => {
                    outcome.get_or_insert(Err(refused));
                }
                Fetched::Named(list) => {
                    named.get_or_insert(list);
                }
            }
        }
        // Names of a configuration are less than an upstream's own list, and more than none.
        match (outcome, named) {
            (Some(Ok(response)), named) if response.is_success() || named.is_none() => Ok(response),
            (_, Some(named)) => Ok(named),
            (Some(outcome), None) => outcome,
            (None, None) => Err(no_target()),
        }
    }

    async fn send_to(&mut self, turn: Turn<'_>, request: &FetchRequest<'_>) -> Fetched {
        let target = turn.target;
        if let Err(unfit) = target.upstream.serves(&request.method, request.path) {
            let names = target.upstream.named_models();
            if let Some(body) = named_models::body(&names, &request.method, request.path) {
                return Fetched::Named(BufferedResponse::own(body, self.settlement.id()));
            }
            let upstream = &target.upstream.config.name;
            self.settlement.pass_over_unfit(upstream, &unfit);
            return Fetched::Unfit(refuse_unfit(upstream, unfit));
        }
        let admission = Admission::Required(turn.alternative);
        let mut attempt = match target.upstream.attempt(admission) {
            Ok(attempt) => attempt,
            Err(closed) => {
                self.settlement.pass_over(&closed);
                return Fetched::Closed(closed);
            }
        };
        if let Some(wish) = &target.wish {
            attempt.set_wish(Wish::clone(wish));
        }
        let outgoing = request.to(target, self.session);
        let departure = Departure::default();
        let charge = self.settlement.permit.as_ref().map(Permit::charge);
        let fetched = {
            let mut fetched = pin!(fetch(target, &outgoing, &mut attempt, &departure, charge));
            match while_there(self.session, &mut fetched).await {
                Ok(fetched) => fetched,
                Err(ClientLeft) if request.goes_on(&departure) => fetched.await,
                Err(ClientLeft) => Err(client_left()),
            }
        };
        let result = match &fetched {
            Ok(response) => Ok(response.head.status.as_u16()),
            Err(refused) => Err(refused.message.clone()),
        };
        self.settlement.record_attempt(&mut attempt, None, result);
        Fetched::Answered(fetched)
    }
}

// === impl FetchRequest ===

impl FetchRequest<'_> {
    /// Creates a request for something that only this client needs.
    pub(crate) fn get(path: &str) -> FetchRequest<'_> {
        FetchRequest {
            method: Method::GET,
            path,
            body: None,
            on_disconnect: OnDisconnect::Cancel,
        }
    }

    /// Returns the request for a target.
    fn to<'a>(&'a self, target: &Target, session: &HttpSession) -> Request<'a> {
        let passing = Passing {
            coding: BodyCoding::AsSent,
            form: AnswerForm::PlainAndWhole,
            vmx_headers: target.upstream.config.vmx_headers,
        };
        let body = self.body.unwrap_or_default();
        let len: usize = body.iter().map(Bytes::len).sum();
        Request {
            method: &self.method,
            path: self.path,
            headers: headers::to_upstream(&session.request().headers, passing),
            headers_of: HeadersOf::Caller,
            framing: match self.body {
                Some(_) => witgate_upstream::Framing::Length(len as u64),
                None => witgate_upstream::Framing::None,
            },
            body,
        }
    }

    /// Returns whether the request goes on without its client. A request that has not been sent as a whole cannot have
    /// been acted on, so that there is nothing to record.
    fn goes_on(&self, departure: &Departure) -> bool {
        self.on_disconnect == OnDisconnect::Finish && departure.is_complete()
    }
}

/// Sends a request and reads its answer whole.
async fn fetch(
    target: &Target,
    request: &Request<'_>,
    attempt: &mut Attempt,
    departure: &Departure,
    charge: Option<Charge>,
) -> Result<BufferedResponse, Refused> {
    let limit = target.limit;
    let mut response = attempt
        .send(request, limit, departure)
        .await
        .map_err(|error| refuse_logged(&error))?;
    // Each byte of a slow answer restarts the idle timeout, so the answer as a whole gets the time that its head had.
    let name = attempt.upstream();
    let read = timeout(
        limit.after,
        BufferedResponse::read(&mut response, name, charge),
    );
    let whole = read.await.unwrap_or_else(|_| {
        let message = format!("the upstream {name} did not complete its response {limit}");
        Err(Refused::upstream(504, message))
    });
    attempt.body_read(&response);
    if whole.is_ok() {
        attempt.release(response);
    }
    whole
}

/// Logs a request without an answer, and returns its refusal.
pub(crate) fn refuse_logged(error: &RequestError) -> Refused {
    tracing::warn!(%error, "an attempt failed");
    refuse(error)
}

/// Delivers the head of an answer and nothing else, as the client asked. The connection is closed, because not every
/// server leaves the body out.
pub(crate) async fn head_only(
    forwarded: Forwarded,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Delivered {
    let Some(head) = forwarded.answered.response.head().cloned() else {
        return Delivered {
            outcome: Outcome::Cut,
            connection: ConnectionFate::Close,
        };
    };
    let length = head.headers.get("content-length").and_then(Value::to_owned);
    let whole = BufferedResponse {
        head,
        body: Bytes::new(),
    };
    whole.deliver_as(length, session, settlement).await
}

// === impl BufferedResponse ===

impl BufferedResponse {
    /// Creates an answer of the gateway's own.
    pub(crate) fn own(body: Bytes, id: &str) -> Self {
        let mut head = ResponseHead::new(StatusCode::OK);
        head.headers.push_text("content-type", "application/json");
        head.headers.push_text("request-id", id);
        Self { head, body }
    }

    /// Reads an answer to its end. Its memory is charged as it comes.
    ///
    /// # Errors
    ///
    /// The answer broke off, is too large, is compressed against the request, or there is no memory for it now.
    pub(crate) async fn read(
        response: &mut Response,
        upstream: &str,
        mut charge: Option<Charge>,
    ) -> Result<Self, Refused> {
        let fail = |what: &str| Refused::upstream(502, format!("the upstream {upstream} {what}"));
        let head = response
            .head()
            .cloned()
            .ok_or_else(|| fail("gave no head"))?;
        let coding = head.headers.get("content-encoding");
        if Coding::parse(coding) != Ok(None) {
            return Err(fail("compressed its response although it was asked not to"));
        }
        let mut body = Vec::new();
        while !response.is_done() {
            let read = response.read().await;
            let Some(chunk) = read.map_err(|_| fail("broke off in the middle of its response"))?
            else {
                continue;
            };
            let len = body.len() + chunk.len();
            if len > MAX_ANSWER_BYTES {
                return Err(fail("sent a response of more than 32 MiB"));
            }
            if let Some(charge) = &mut charge {
                charge.grow(&mut body, len, MAX_ANSWER_BYTES)?;
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

    /// Returns whether the status is a success.
    pub(crate) fn is_success(&self) -> bool {
        self.head.status.is_success()
    }

    /// Writes the answer to the client.
    pub(crate) async fn deliver(
        self,
        session: &mut HttpSession,
        settlement: &mut Settlement,
    ) -> Delivered {
        let bodiless = matches!(self.head.status.as_u16(), 204 | 304);
        let length = (!bodiless).then(|| HeaderValue::from(self.body.len()));
        self.deliver_as(length, session, settlement).await
    }

    async fn deliver_as(
        self,
        length: Option<HeaderValue>,
        session: &mut HttpSession,
        settlement: &mut Settlement,
    ) -> Delivered {
        let status = self.head.status.as_u16();
        settlement.set_status(status);
        let outcome = if status >= 400 {
            Outcome::UpstreamError
        } else {
            Outcome::Answered
        };
        match self.write(length, session, settlement).await {
            Ok(()) => Delivered {
                outcome,
                connection: ConnectionFate::KeepAlive,
            },
            Err(_) => Delivered {
                outcome: Outcome::ClientGone,
                connection: ConnectionFate::Close,
            },
        }
    }

    async fn write(
        self,
        length: Option<HeaderValue>,
        session: &mut HttpSession,
        settlement: &mut Settlement,
    ) -> Result<(), ClientError> {
        let mut extra = settlement.answer_headers();
        if let Some(length) = length {
            extra.headers.push(&header::CONTENT_LENGTH, &length);
        }
        let own = headers::response_head(&self.head, Framing::AsGiven, &extra);
        session.set_write_timeout(settlement.snapshot().config.limits.write_timeout);
        session.write_head(&own).await?;
        let body = if session.request().method == Method::HEAD {
            Bytes::new()
        } else {
            self.body
        };
        settlement.delivered(&body);
        settlement.cover().await;
        session.write_body(body, true).await
    }
}
