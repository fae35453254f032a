//! Step 4: to the upstream. Only this step is repeated when a try fails: never a plugin, never a charge.
//!
//! The targets of the plan are tried in order, and each one as often as its upstream allows, within that upstream's
//! retry budget. A failing one gives way to the others, and is asked once they have failed as well. Nothing is tried again once a byte of an answer's content is with the client.

pub(crate) mod attempt;
pub(crate) mod failed_attempt;
pub(crate) mod first_content;
pub(crate) mod retry_reason;

use std::time::{Duration, Instant};

use pingora_core::protocols::http::ServerSession;
use smallvec::SmallVec;
use tokio::time::sleep;

use self::attempt::{Attempted, Spare};
use self::failed_attempt::Setback;
use self::first_content::Held;
use super::admit::Admitted;
use super::decide::Decision;
use super::decide::copy;
use super::decide::targets::Target;
use super::downstream::{Client, Interrupted};
use super::relay::early_head;
use super::relay::metering::Metering;
use super::settle::Settlement;
use crate::answer::refused::Refused;
use crate::config::ClientGone;
use crate::upstream::Upstream;
use crate::upstream::breaker::Recourse;
use crate::upstream::connection::Answering;
use crate::upstream::stats::InFlight;
use std::sync::Arc;

/// An upstream's answer: its head, and perhaps its opening, has been read.
pub(super) struct Forwarded {
    pub(super) answering: Box<Answering>,
    pub(super) upstream: Arc<Upstream>,
    pub(super) in_flight: InFlight,
    /// The client that waits for it.
    pub(super) client: Client,
    /// What was read of the body.
    pub(super) held: Held,
    /// The meter that has read what is held.
    pub(super) metering: Option<Metering>,
}

/// Tries the targets, until one answers with something that another try could not do better.
///
/// # Errors
///
/// No target gave an answer, an edit of a plugin can't be made, the exchange's time is over, or the client went away.
pub(super) async fn forward(
    admitted: Admitted,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<Forwarded, Refused> {
    let mut decision = admitted.decision;
    copy::let_go(&mut decision);
    let policy = attribute(&decision, "client-gone").and_then(ClientGone::parse);
    let early = early_head::head(&decision, settlement)?;
    // Pings and an early head may have to wait for a slow reader too.
    session.set_write_timeout(Some(decision.snapshot.config.limits.write_timeout));
    let mut client = Client::waiting(&decision.snapshot, settlement.started(), policy, early);

    let mut queue: SmallVec<[&Target; 8]> = decision.targets.iter().collect();
    let planned = queue.len();
    let mut left: Option<Setback> = None;
    let mut place = 0;
    while let Some(target) = queue.get(place).copied() {
        place += 1;
        let gave_way = place > planned;
        let recourse = if gave_way {
            Recourse::None
        } else {
            recourse(queue.get(place..).unwrap_or_default())
        };
        if gave_way && !target.upstream.takes(recourse, Instant::now()) {
            // What another one answered says more than that this one is not asked.
            continue;
        }
        drop(left.take());
        let mut tries = 0;
        loop {
            let again = tries < retries(&decision, target);
            let spare = if client.may_choose() && (place < queue.len() || again) {
                Spare::Some
            } else {
                Spare::None
            };
            let attempted = attempt::attempt(
                &decision,
                target,
                recourse,
                spare,
                &mut client,
                session,
                settlement,
            );
            let attempted = attempted.await?;
            if tries == 0 && attempted.is_heard() {
                target.upstream.retries.deposit();
            }
            let setback = match attempted {
                Attempted::Answered(answered) => return Ok(answered.into_forwarded(client)),
                Attempted::Setback(setback) => setback,
            };
            if spare == Spare::None || !client.may_choose() || !setback.may_retry(&decision) {
                return setback.settle_for(client);
            }
            if again
                && setback.may_repeat()
                && let Some(wait) = wait(target, tries, &setback)
            {
                drop(setback);
                tries += 1;
                client
                    .during(session, sleep(wait))
                    .await
                    .map_err(|interrupted| stopped(interrupted, settlement))?;
                continue;
            }
            if setback.gave_way() && !gave_way {
                queue.push(target);
            }
            left = Some(setback);
            break;
        }
    }
    match left {
        Some(setback) => setback.settle_for(client),
        None => Err(Refused::gateway(503, "the route has no target")),
    }
}

/// Whether a request that is not sent to a target can go to one of those after it.
fn recourse(rest: &[&Target]) -> Recourse {
    let now = Instant::now();
    if rest.iter().any(|target| target.upstream.is_available(now)) {
        Recourse::Another
    } else {
        Recourse::None
    }
}

/// How often a target may be tried again.
fn retries(decision: &Decision, target: &Target) -> u32 {
    const MOST: u32 = 10;
    attribute(decision, "retries")
        .and_then(|count| count.parse().ok())
        .unwrap_or(target.upstream.config.resilience.retry.attempts)
        .min(MOST)
}

/// How long to wait before the next try at the same target; none where there is to be none: the wait would be too long,
/// or the upstream has had its share of retries.
fn wait(target: &Target, tries: u32, setback: &Setback) -> Option<Duration> {
    let most = target.upstream.config.resilience.retry.max_wait;
    let wait = match setback.wait {
        Some(asked) if asked > most => return None,
        Some(asked) => asked,
        None => target
            .upstream
            .backoff
            .delay(tries, &mut rand::thread_rng()),
    };
    target.upstream.retries.try_withdraw().then_some(wait)
}

/// What a plan says of an open code.
fn attribute<'a>(decision: &'a Decision, code: &str) -> Option<&'a str> {
    let attributes = &decision.plan.attributes;
    attributes
        .iter()
        .find(|(name, _)| name == code)
        .map(|(_, value)| value.as_str())
}

/// The refusal of an exchange that stops before there is an answer.
pub(super) fn stopped(interrupted: Interrupted, settlement: &Settlement) -> Refused {
    match interrupted {
        Interrupted::ClientGone => {
            Refused::client(499, "the client went away before an answer was there")
        }
        Interrupted::Deadline => {
            let total = settlement
                .snapshot()
                .config
                .streams
                .total
                .unwrap_or_default();
            let total = total.as_millis();
            let message =
                format!("no answer was complete within the {total} ms that the gateway allows");
            Refused::gateway(504, message)
        }
    }
}
