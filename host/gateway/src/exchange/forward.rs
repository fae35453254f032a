//! Step 4: to the upstream. Only this step is repeated when a target fails: never a plugin, never a charge.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use pingora_core::protocols::http::ServerSession;
use smallvec::SmallVec;
use witgate_messages::head::Head;
use witgate_messages::splice::{Edit, splice};

use super::admit::Admitted;
use super::decide::{Decision, Target};
use super::settle::Settlement;
use crate::headers::{self, Forwarded as ForwardedHead};
use crate::receipt::Attempt;
use crate::refused::Refused;
use crate::upstream::Upstream;
use crate::upstream::connection::{Answering, Failed, ONE_WRITE, Outgoing};
use crate::upstream::stats::{Ended, InFlight};

/// An upstream's answer, its head read.
pub(super) struct Forwarded {
    pub(super) answering: Answering,
    pub(super) upstream: Arc<Upstream>,
    pub(super) in_flight: InFlight,
}

/// Tries the targets in order, until one answers with something that the next could not do better.
///
/// # Errors
///
/// No target gave an answer, an edit of a plugin can't be made, or the client went away.
pub(super) async fn forward(
    admitted: Admitted,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<Forwarded, Refused> {
    let decision = admitted.decision;
    let last = decision.targets.len().saturating_sub(1);
    let mut failed = None;
    for (index, target) in decision.targets.iter().enumerate() {
        let body = body(&decision, target)?;
        let mut in_flight = target.upstream.enter();
        let asked = {
            let outgoing = outgoing(&decision, target, session, &body);
            let ask = target.upstream.ask(outgoing, target.head_timeout);
            tokio::select! {
                biased;
                asked = ask => asked,
                () = left(session) => {
                    note(settlement, target, Err("the client went away".into()));
                    return Err(Refused::client(499, "the client went away before an answer was there"));
                }
            }
        };
        match asked {
            Ok(mut answering) => {
                let status = answering.head().map_or(0, |head| head.status.as_u16());
                let condition = Condition::of_status(status);
                if condition.is_some() {
                    in_flight.end(Ended::Badly);
                }
                note(settlement, target, Ok(status));
                if index < last && condition.is_some_and(|condition| condition.may_retry(&decision))
                {
                    continue;
                }
                answering.set_idle_timeout(target.upstream.config.idle_timeout);
                return Ok(Forwarded {
                    answering,
                    upstream: Arc::clone(&target.upstream),
                    in_flight,
                });
            }
            Err(error) => {
                in_flight.end(Ended::Badly);
                tracing::warn!(request = settlement.id(), %error, "an attempt failed");
                note(settlement, target, Err(error.to_string()));
                let stop = index == last || !Condition::of_failure(&error).may_retry(&decision);
                failed = Some(error);
                if stop {
                    break;
                }
            }
        }
    }
    Err(match failed {
        Some(error @ Failed::Timeout { .. }) => Refused::upstream(504, error.to_string()),
        Some(error) => Refused::upstream(502, error.to_string()),
        None => Refused::gateway(503, "the route has no target"),
    })
}

/// What a target failed with, as plans name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Connect,
    Timeout,
    RateLimit,
    Overloaded,
    ServerError,
}

// === impl Condition ===

impl Condition {
    /// The condition that an answer stands for; none for one that another target would not better.
    fn of_status(status: u16) -> Option<Self> {
        match status {
            429 => Some(Self::RateLimit),
            408 | 504 => Some(Self::Timeout),
            503 | 529 => Some(Self::Overloaded),
            500..=599 => Some(Self::ServerError),
            _ => None,
        }
    }

    fn of_failure(failed: &Failed) -> Self {
        match failed {
            Failed::Connect { .. } => Self::Connect,
            Failed::Timeout { .. } => Self::Timeout,
            Failed::Broken { .. } | Failed::Malformed { .. } => Self::ServerError,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::RateLimit => "rate-limit",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server-error",
        }
    }

    fn may_retry(self, decision: &Decision) -> bool {
        let on = &decision.plan.retry_on;
        on.is_empty() || on.iter().any(|code| code == self.code())
    }
}

/// The body for one target: the client's bytes, but for the plugins' edits and the target's model.
fn body(decision: &Decision, target: &Target) -> Result<SmallVec<[Bytes; 4]>, Refused> {
    let Some(head) = &decision.view.head else {
        return Ok(SmallVec::new());
    };
    let model = target
        .model
        .as_deref()
        .filter(|model| head.model().as_deref() != Some(*model));
    if decision.edits.is_empty() && model.is_none() {
        return Ok(SmallVec::from_iter([head.body().clone()]));
    }
    let mut edits = decision.edits.clone();
    edits.extend(
        model.map(|model| Edit::Set("model".into(), serde_json::Value::from(model).to_string())),
    );
    spliced(head, &edits)
}

fn spliced(head: &Head, edits: &[Edit]) -> Result<SmallVec<[Bytes; 4]>, Refused> {
    splice(head, edits)
        .map(|spliced| spliced.into_parts())
        .map_err(|error| {
            tracing::error!(%error, "a plugin's edit of the body can't be made");
            Refused::gateway(
                503,
                format!("a plugin's edit of the body can't be made: {error}"),
            )
        })
}

fn outgoing<'a>(
    decision: &Decision,
    target: &Target,
    session: &ServerSession,
    body: &'a [Bytes],
) -> Outgoing<'a> {
    let upstream = &target.upstream;
    let path = decision.view.endpoint.upstream_path(&decision.view.path);
    let path = format!("{}{path}", upstream.config.base.prefix);
    let credential = upstream.credential();
    let len: usize = body.iter().map(Bytes::len).sum();
    let head = ForwardedHead {
        target: &path,
        authority: &upstream.authority,
        credential: credential
            .as_ref()
            .map(|(header, value): &(_, Arc<HeaderValue>)| (*header, &**value)),
        body_len: decision.view.head.is_some().then_some(len),
    };
    let room = if len <= ONE_WRITE { len } else { 0 };
    Outgoing {
        head: headers::write_request_head(session.req_header(), &head, room),
        body,
    }
}

/// Ends when the client closes its connection.
async fn left(session: &mut ServerSession) {
    // What comes after the body can only be the end, or the next request, which stays where it is.
    while session.read_body_or_idle(true).await.is_ok() {}
}

fn note(settlement: &mut Settlement, target: &Target, result: Result<u16, String>) {
    settlement.receipt.attempts.push(Attempt {
        upstream: target.upstream.config.name.clone(),
        model: target.model.clone(),
        result,
    });
}
