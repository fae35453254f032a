//! One try at one target: asked, and answered or not.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use pingora_core::protocols::http::ServerSession;
use smallvec::SmallVec;
use witgate_messages::endpoint::Endpoint;
use witgate_messages::retry::{Advice, Verdict};
use witgate_messages::splice::{Edit, splice};

use super::failed_attempt::{Left, Setback};
use super::first_content::{self, Held, Opening};
use super::retry_reason::Condition;
use super::{Forwarded, stopped};
use crate::answer::refused::Refused;
use crate::exchange::decide::targets::Target;
use crate::exchange::decide::{Decision, unmade};
use crate::exchange::downstream::Client;
use crate::exchange::relay::early_head;
use crate::exchange::relay::metering::Metering;
use crate::exchange::settle::Settlement;
use crate::headers::{self, BodyCoding, Forwarded as ForwardedHead};
use crate::upstream::Upstream;
use crate::upstream::breaker::Recourse;
use crate::upstream::connection::{Answering, ONE_WRITE, Outgoing};
use crate::upstream::credential::Renewal;
use crate::upstream::kind::Addressed;
use crate::upstream::stats::InFlight;

/// Whether something else could be tried if this fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spare {
    Some,
    None,
}

/// What came of a try.
pub(crate) enum Attempted {
    /// An answer to deliver.
    Answered(Answered),
    /// Something that another try might better.
    Setback(Setback),
}

/// An answer, and what is known of its beginning.
pub(crate) struct Answered {
    /// On the heap: it is large, and moves from hand to hand.
    answering: Box<Answering>,
    upstream: Arc<Upstream>,
    in_flight: InFlight,
    held: Held,
    metering: Option<Metering>,
}

/// Tries a target.
///
/// # Errors
///
/// An edit of a plugin can't be made, the exchange's time is over, or the client went away.
pub(crate) async fn attempt(
    decision: &Decision,
    target: &Target,
    recourse: Recourse,
    spare: Spare,
    client: &mut Client,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<Attempted, Refused> {
    let body = body(decision, target)?;
    let mut in_flight = match target.upstream.admit(recourse) {
        Ok(in_flight) => in_flight,
        Err(closed) => {
            tracing::debug!(request = settlement.id(), error = %closed, "a target was passed over");
            settlement.pass_over(&closed);
            return Ok(Attempted::Setback(Setback {
                condition: Condition::Connect,
                wait: closed.retry_after,
                left: Left::Closed(closed),
            }));
        }
    };
    let mut refreshed = false;
    let asked = loop {
        let outgoing = outgoing(decision, target, session, &body);
        let ask = pin!(in_flight.ask(outgoing, target.limit));
        let asked = client.during(session, ask).await.map_err(|interrupted| {
            note(settlement, target, Err("given up".into()));
            stopped(interrupted, settlement)
        })?;
        settlement.heard(asked.as_ref().ok().and_then(Answering::head));
        // A credential may have been replaced since it was read; the request itself is not at fault.
        let refused = matches!(&asked, Ok(answering) if answering.status() == 401);
        if refused && !refreshed && target.upstream.refresh_credential().await == Renewal::New {
            note(settlement, target, Ok(401));
            refreshed = true;
            continue;
        }
        break asked;
    };

    let answering = match asked {
        Ok(answering) => answering,
        Err(failed) => {
            tracing::warn!(request = settlement.id(), error = %failed, "an attempt failed");
            note(settlement, target, Err(failed.to_string()));
            return Ok(Attempted::Setback(Setback {
                condition: Condition::of_failure(&failed),
                wait: None,
                left: Left::Failed(failed),
            }));
        }
    };
    let answered = Answered {
        answering: Box::new(answering),
        upstream: Arc::clone(&target.upstream),
        in_flight,
        held: Held::new(),
        metering: None,
    };
    judge(
        decision, target, spare, answered, client, session, settlement,
    )
    .await
}

/// Looks at an answer's head, and at its opening where that may matter.
async fn judge(
    decision: &Decision,
    target: &Target,
    spare: Spare,
    mut answered: Answered,
    client: &mut Client,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<Attempted, Refused> {
    let streams = &decision.snapshot.config.streams;
    let idle = target.upstream.config.idle_timeout;
    answered.answering.set_idle_timeout(idle);
    let status = answered.answering.status();
    let advice = advice(&answered.answering, status);
    if status >= 400 {
        note(settlement, target, Ok(status));
        let condition = match advice.verdict {
            Verdict::Final => None,
            Verdict::Retry => Some(Condition::of_status(status).unwrap_or(Condition::ServerError)),
        };
        return Ok(match condition {
            Some(condition) => answered.setback(condition, advice.wait),
            None => Attempted::Answered(answered),
        });
    }
    answered.metering = metering(decision, &answered.answering);
    if spare == Spare::None || !client.may_choose() {
        note(settlement, target, Ok(status));
        return Ok(Attempted::Answered(answered));
    }
    let Some(metering) = &mut answered.metering else {
        note(settlement, target, Ok(status));
        return Ok(Attempted::Answered(answered));
    };

    let held = &mut answered.held;
    let opening = first_content::read(
        &mut answered.answering,
        metering,
        held,
        client,
        session,
        streams,
    )
    .await
    .map_err(|interrupted| {
        note(settlement, target, Ok(status));
        stopped(interrupted, settlement)
    })?;
    Ok(match opening {
        Opening::Content => {
            note(settlement, target, Ok(status));
            Attempted::Answered(answered)
        }
        Opening::Error(error) => {
            note(
                settlement,
                target,
                Err(format!("{} before any content", error.kind)),
            );
            match Condition::of_error(&error.kind) {
                Some(condition) => {
                    answered.in_flight.reported(error.kind.status());
                    answered.setback(condition, None)
                }
                None => Attempted::Answered(answered),
            }
        }
        Opening::Broken(reason) => {
            answered.in_flight.read(&answered.answering);
            note(
                settlement,
                target,
                Err(format!("broke off before any content: {reason}")),
            );
            answered.setback(Condition::ServerError, None)
        }
    })
}

/// A body on its way to one target.
struct Body {
    parts: SmallVec<[Bytes; 4]>,
    coding: BodyCoding,
}

// === impl Attempted ===

impl Attempted {
    /// Whether the upstream had its say: it was asked, and nobody else's limit ended that.
    pub(crate) fn is_heard(&self) -> bool {
        match self {
            Self::Answered(_) => true,
            Self::Setback(setback) => setback.may_repeat(),
        }
    }
}

// === impl Answered ===

impl Answered {
    fn setback(self, condition: Condition, wait: Option<Duration>) -> Attempted {
        Attempted::Setback(Setback {
            condition,
            wait,
            left: Left::Answer(Box::new(self)),
        })
    }

    pub(crate) fn into_forwarded(self, client: Client) -> Forwarded {
        Forwarded {
            answering: self.answering,
            upstream: self.upstream,
            in_flight: self.in_flight,
            client,
            held: self.held,
            metering: self.metering,
        }
    }
}

/// What an answer says about trying again.
fn advice(answering: &Answering, status: u16) -> Advice {
    let lookup = |name: &str| {
        let head = answering.head()?;
        head.headers.get(name)?.to_str().ok()
    };
    Advice::of(status, lookup, SystemTime::now())
}

/// The meter for an answer; none for those that cost nothing.
fn metering(decision: &Decision, answering: &Answering) -> Option<Metering> {
    let head = answering.head().filter(|head| head.status.is_success())?;
    match decision.view.endpoint {
        Endpoint::Messages => Some(Metering::of(&head.headers)),
        Endpoint::BatchResults => {
            let prices = &decision.snapshot.prices;
            Some(Metering::of_results(&head.headers, prices))
        }
        _ => None,
    }
}

/// The body for one target: the client's bytes as they were sent, but for the plugins' edits and the target's model.
fn body(decision: &Decision, target: &Target) -> Result<Body, Refused> {
    let as_sent = |parts| Body {
        parts,
        coding: BodyCoding::AsSent,
    };
    let Some(head) = &decision.view.head else {
        return Ok(as_sent(decision.unread.iter().cloned().collect()));
    };
    let model = target
        .model
        .as_deref()
        .filter(|model| head.model().as_deref() != Some(*model));
    if head.edits().is_empty() && model.is_none() {
        let sent = decision.view.sent.as_ref().unwrap_or_else(|| head.body());
        return Ok(as_sent(SmallVec::from_iter([sent.clone()])));
    }
    let spliced = match model {
        None => head.sent(),
        Some(model) => {
            let model = serde_json::Value::from(model).to_string();
            splice(head, &[Edit::Set("model".into(), model)]).map_err(|error| unmade(&error))?
        }
    };
    Ok(Body {
        parts: spliced.into_parts(),
        coding: match decision.view.sent {
            Some(_) => BodyCoding::Decoded,
            None => BodyCoding::AsSent,
        },
    })
}

fn outgoing<'a>(
    decision: &Decision,
    target: &Target,
    session: &ServerSession,
    body: &'a Body,
) -> Outgoing<'a> {
    let upstream = &target.upstream;
    let path = decision.view.endpoint.upstream_path(&decision.view.path);
    let Addressed {
        target: path,
        shown,
    } = upstream.kind().address(upstream, &path);
    let len: usize = body.parts.iter().map(Bytes::len).sum();
    let head = ForwardedHead {
        target: &path,
        authority: &upstream.authority,
        vmx_headers: upstream.config.vmx_headers,
        shown: &shown,
        coding: body.coding,
        body_len: (decision.view.head.is_some() || decision.unread.is_some()).then_some(len),
    };
    let room = if len <= ONE_WRITE { len } else { 0 };
    let request = early_head::plainly(decision, session.req_header());
    Outgoing {
        head: headers::write_request_head(&request, &head, room),
        body: &body.parts,
    }
}

fn note(settlement: &mut Settlement, target: &Target, result: Result<u16, String>) {
    settlement.note_attempt(&target.upstream, target.model.as_deref(), result);
}
