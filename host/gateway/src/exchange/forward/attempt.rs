//! An attempt at one target, and the classification of its answer.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use smallvec::SmallVec;
use witgate_http::Value;
use witgate_messages::endpoint::Endpoint;
use witgate_messages::retry::{Advice, Verdict};
use witgate_messages::splice::splice;
use witgate_upstream::{
    Admission, Departure, Framing, HeadersOf, Request, RequestError, Response, Wish,
};

use super::answered::Answered;
use super::capacity;
use super::failed_attempt::{FailedAttempt, Left};
use super::first_content::{self, Beginning};
use super::queue::Turn;
use super::retry_reason::RetryReason;
use crate::answer::refused::Refused;
use crate::exchange::decide::Decision;
use crate::exchange::decide::edits::{edit_failed, set_model};
use crate::exchange::decide::targets::Target;
use crate::exchange::downstream::{Downstream, Interrupted};
use crate::exchange::headers::{self, AnswerForm, BodyCoding, Passing};
use crate::exchange::relay::early_headers;
use crate::exchange::relay::metering::Metering;
use crate::exchange::settle::Settlement;
use crate::listen::session::HttpSession;

/// The fallback of an attempt: another target, or another attempt at the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fallback {
    Available,
    Exhausted,
}

/// The result of an attempt.
pub(crate) enum Attempted {
    /// An answer to deliver.
    Answered(Answered),
    /// A failure that another attempt might better.
    Failed(FailedAttempt),
}

/// Tries a target.
///
/// # Errors
///
/// An edit of a plugin cannot be made, the time of the exchange is over, or the client disconnected.
pub(crate) async fn attempt(
    decision: &Decision,
    turn: Turn<'_>,
    fallback: Fallback,
    client: &mut Downstream,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<Attempted, Refused> {
    let target = turn.target;
    let model = target.model.as_deref();
    let body = body(decision, target)?;
    let mut lease = match capacity::lease(decision, target, settlement) {
        Ok(lease) => lease,
        Err(out) => {
            return Ok(Attempted::Failed(FailedAttempt {
                reason: RetryReason::RateLimit,
                wait: out.wait(),
                left: Left::OutOfCapacity(out),
            }));
        }
    };
    let admission = Admission::Required(turn.alternative);
    let mut attempt = match target.upstream.attempt(admission) {
        Ok(attempt) => attempt,
        Err(closed) => {
            tracing::debug!(request = settlement.id(), error = %closed, "a target was passed over");
            settlement.pass_over(&closed);
            return Ok(Attempted::Failed(FailedAttempt {
                reason: RetryReason::Connect,
                wait: closed.retry_after,
                left: Left::Closed(closed),
            }));
        }
    };
    if let Some(wish) = &target.wish {
        attempt.set_wish(Wish::clone(wish));
    }
    let path = decision.view.endpoint.upstream_path(&decision.view.path);
    let form = answer_form(decision, settlement);
    let request = request(decision, target, session, &path, &body, form);
    let departure = Departure::default();
    if let Some(lease) = &mut lease {
        lease.sent();
    }
    let sent = {
        let send = pin!(attempt.send(&request, target.limit, &departure));
        client.during(session, send).await
    };
    let response = match sent {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            tracing::warn!(request = settlement.id(), error = %error, "an attempt failed");
            capacity::failed(lease, &departure);
            match &error {
                RequestError::Unfit { upstream, unfit } => {
                    settlement.pass_over_unfit(upstream, unfit);
                }
                error => settlement.record_attempt(&mut attempt, model, Err(error.to_string())),
            }
            return Ok(Attempted::Failed(FailedAttempt {
                reason: RetryReason::of_failure(&error),
                wait: None,
                left: Left::Failed(error),
            }));
        }
        Err(interrupted) => {
            capacity::given_up(lease, &departure);
            settlement.record_attempt(&mut attempt, model, Err("given up".into()));
            return Err(stopped(interrupted, settlement));
        }
    };

    let mut answered = Answered::new(response, attempt);
    let classified = classify(decision, fallback, &mut answered, client, session).await;
    let (result, class) = classified;
    capacity::answered(lease, &result, settlement);
    if let Ok(200..300) = result {
        settlement.note_signer(&target.upstream.config.provider);
    }
    settlement.record_attempt(&mut answered.attempt, model, result);
    let class = class.map_err(|interrupted| stopped(interrupted, settlement))?;
    Ok(match class {
        Class::Final => Attempted::Answered(answered),
        Class::Retriable { reason, wait } => Attempted::Failed(FailedAttempt {
            reason,
            wait,
            left: Left::Answer(Box::new(answered)),
        }),
    })
}

/// The class of an answer.
enum Class {
    /// An answer that another attempt would not better.
    Final,
    /// An answer that another attempt might better.
    Retriable {
        reason: RetryReason,
        /// The wait that the upstream asks for with the head of its answer.
        wait: Option<Duration>,
    },
}

/// Classifies an answer by its head, and by its beginning where that may matter. Returns the result for the receipt too.
async fn classify(
    decision: &Decision,
    fallback: Fallback,
    answered: &mut Answered,
    client: &mut Downstream,
    session: &mut HttpSession,
) -> (Result<u16, String>, Result<Class, Interrupted>) {
    let status = answered.response.status();
    if status >= 400 {
        return (Ok(status), Ok(classify_error(&answered.response, status)));
    }
    answered.metering = metering(decision, &answered.response, answered.attempt.upstream());
    let metering = match &mut answered.metering {
        Some(metering) if fallback == Fallback::Available && client.may_choose() => metering,
        _ => return (Ok(status), Ok(Class::Final)),
    };

    let beginning = first_content::read(
        &mut answered.response,
        metering,
        &mut answered.held_back,
        client,
        session,
        &decision.snapshot.config.streams,
    );
    match beginning.await {
        Err(interrupted) => (Ok(status), Err(interrupted)),
        Ok(Beginning::Content) => (Ok(status), Ok(Class::Final)),
        Ok(Beginning::Error(error)) => {
            let result = Err(format!("{} before any content", error.kind));
            let Some(reason) = RetryReason::of_error(&error.kind) else {
                return (result, Ok(Class::Final));
            };
            answered.attempt.reported(error.kind.status());
            (result, Ok(Class::Retriable { reason, wait: None }))
        }
        Ok(Beginning::Broken(reason)) => {
            answered.attempt.body_read(&answered.response);
            let result = Err(format!("broke off before any content: {reason}"));
            let reason = RetryReason::ServerError;
            (result, Ok(Class::Retriable { reason, wait: None }))
        }
    }
}

fn classify_error(response: &Response, status: u16) -> Class {
    let lookup = |name: &str| {
        let head = response.head()?;
        head.headers.get(name).and_then(Value::to_str)
    };
    let advice = Advice::of(status, lookup, SystemTime::now());
    match advice.verdict {
        Verdict::Final => Class::Final,
        Verdict::Retry => Class::Retriable {
            reason: RetryReason::of_status(status).unwrap_or(RetryReason::ServerError),
            wait: advice.wait,
        },
    }
}

/// The body of a request to one target.
struct Body {
    parts: SmallVec<[Bytes; 4]>,
    coding: BodyCoding,
}

// === impl Attempted ===

impl Attempted {
    /// Returns whether the upstream was asked, and no limit of others ended that.
    pub(crate) fn is_heard(&self) -> bool {
        match self {
            Self::Answered(_) => true,
            Self::Failed(failed) => failed.may_repeat(),
        }
    }
}

/// Returns the meter for an answer, or `None` for one that costs nothing.
fn metering(decision: &Decision, response: &Response, upstream: &str) -> Option<Metering> {
    let head = response.head().filter(|head| head.status.is_success())?;
    match decision.view.endpoint {
        Endpoint::Messages => Some(Metering::of(&head.headers)),
        Endpoint::BatchResults => {
            let prices = decision.snapshot.prices.of(Some(upstream));
            Some(Metering::of_results(&head.headers, prices))
        }
        _ => None,
    }
}

/// Returns the body for one target: the client's bytes as they came, but for the plugins' edits and the target's model.
fn body(decision: &Decision, target: &Target) -> Result<Body, Refused> {
    let as_sent = |parts| Body {
        parts,
        coding: BodyCoding::AsSent,
    };
    let Some(head) = &decision.view.head else {
        return Ok(as_sent(decision.unread.iter().cloned().collect()));
    };
    let head = target.head.as_deref().unwrap_or(head);
    let model = target
        .model
        .as_deref()
        .filter(|model| head.model().as_deref() != Some(*model));
    // A body that is translated has to be read.
    let sent = decision.view.sent.as_ref();
    let sent = sent.filter(|_| !target.upstream.translates());
    if head.edits().is_empty() && model.is_none() {
        let sent = sent.unwrap_or_else(|| head.body());
        return Ok(as_sent(SmallVec::from_iter([sent.clone()])));
    }
    let spliced = match model {
        None => head.sent(),
        Some(model) => splice(head, &[set_model(model)]).map_err(|error| edit_failed(&error))?,
    };
    Ok(Body {
        parts: spliced.into_parts(),
        coding: match decision.view.sent {
            Some(_) => BodyCoding::Decoded,
            None => BodyCoding::AsSent,
        },
    })
}

fn request<'a>(
    decision: &'a Decision,
    target: &Target,
    session: &HttpSession,
    path: &'a str,
    body: &'a Body,
    form: AnswerForm,
) -> Request<'a> {
    let passing = Passing {
        coding: body.coding,
        form,
        vmx_headers: target.upstream.config.vmx_headers,
    };
    let len: usize = body.parts.iter().map(Bytes::len).sum();
    let has_body = decision.view.head.is_some() || decision.unread.is_some();
    Request {
        method: &decision.view.method,
        path,
        headers: headers::to_upstream(&session.request().headers, passing),
        headers_of: HeadersOf::Caller,
        framing: if has_body {
            Framing::Length(len as u64)
        } else {
            Framing::None
        },
        body: &body.parts,
    }
}

fn answer_form(decision: &Decision, settlement: &Settlement) -> AnswerForm {
    if settlement.answer_is_guarded() {
        // A part of an answer can't be read.
        AnswerForm::PlainAndWhole
    } else if early_headers::is_wanted(decision) || decision.is_stream && settlement.may_be_cut() {
        // The client may have been promised an event stream by an early head, or gets the gateway's own event at a limit.
        AnswerForm::Plain
    } else {
        AnswerForm::AsAsked
    }
}

/// Returns the refusal of an exchange that stops before there is an answer.
pub(crate) fn stopped(interrupted: Interrupted, settlement: &Settlement) -> Refused {
    match interrupted {
        Interrupted::ClientGone => client_left(),
        Interrupted::Deadline => {
            let streams = &settlement.snapshot().config.streams;
            let total = streams.total.unwrap_or_default().as_millis();
            let message =
                format!("no answer was complete within the {total} ms that the gateway allows");
            Refused::gateway(504, message)
        }
    }
}

/// Returns the refusal of an exchange whose client disconnected.
pub(crate) fn client_left() -> Refused {
    Refused::client(499, "the client went away before an answer was there")
}
