//! Step 5: sends the request to an upstream. Only this step is repeated after a failure: never a plugin, never a charge.
//!
//! The targets of the plan are tried in order, and each one as often as its upstream allows, within that upstream's retry
//! budget. A failing target gives way to the others, and is tried once they have failed as well. Nothing is tried again
//! once a byte of an answer's content is with the client.

pub(crate) mod answered;
pub(crate) mod attempt;
pub(crate) mod capacity;
pub(crate) mod failed_attempt;
pub(crate) mod first_content;
pub(crate) mod queue;
pub(crate) mod retry_reason;
pub(crate) mod wish;

use std::time::Duration;

use tokio::time::sleep;

use self::answered::Forwarded;
use self::attempt::{Attempted, Fallback, stopped};
use self::failed_attempt::FailedAttempt;
use self::queue::TargetQueue;
use super::admit::Admitted;
use super::decide::Decision;
use super::decide::targets::Target;
use super::downstream::Downstream;
use super::relay::early_headers;
use super::settle::Settlement;
use crate::answer::refused::Refused;
use crate::config::ClientGone;
use crate::listen::session::HttpSession;

/// Tries the targets until one gives an answer that another attempt could not better.
///
/// # Errors
///
/// No target gave an answer, an edit of a plugin cannot be made, the time of the exchange is over, or the client
/// disconnected.
pub(super) async fn forward(
    admitted: Admitted,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<Forwarded, Refused> {
    let mut decision = admitted.decision;
    decision.release_decoded_body();
    let policy = decision.plan.on_disconnect.map(ClientGone::from);
    let early = early_headers::head(&decision, settlement);
    // Pings and an early head may have to wait for a slow reader too.
    session.set_write_timeout(decision.snapshot.config.limits.write_timeout);
    let mut client = Downstream::waiting(&decision.snapshot, settlement.started(), policy, early);

    let mut queue = TargetQueue::new(&decision.targets);
    let mut left: Option<FailedAttempt> = None;
    while let Some(turn) = queue.next() {
        let target = turn.target;
        // A target of another dialect may turn out not to take the request, and what is left is then the answer. Of targets
        // without room, the one that will have some first is.
        if !target.upstream.translates() {
            left = left.filter(FailedAttempt::was_out_of_capacity);
        }
        let mut tries = 0;
        loop {
            let again = tries < retries(&decision, target);
            let fallback = if client.may_choose() && (queue.has_more() || again) {
                Fallback::Available
            } else {
                Fallback::Exhausted
            };
            let attempted =
                attempt::attempt(&decision, turn, fallback, &mut client, session, settlement);
            let attempted = attempted.await?;
            if tries == 0 && attempted.is_heard() {
                target.upstream.retries.deposit();
            }
            let failed = match attempted {
                Attempted::Answered(answered) => return Ok(Forwarded { answered, client }),
                Attempted::Failed(failed) => failed,
            };
            if fallback == Fallback::Exhausted
                || !client.may_choose()
                || !failed.plan_allows_another(&decision)
            {
                let answered = better(left, failed).into_final()?;
                return Ok(Forwarded { answered, client });
            }
            if again
                && failed.may_repeat()
                && let Some(wait) = wait(target, tries, &failed)
            {
                drop(failed);
                tries += 1;
                client
                    .during(session, sleep(wait))
                    .await
                    .map_err(|interrupted| stopped(interrupted, settlement))?;
                continue;
            }
            if failed.was_deferred() {
                queue.defer(turn);
            }
            left = Some(better(left, failed));
            break;
        }
    }
    let Some(failed) = left else {
        return Err(no_target());
    };
    let answered = failed.into_final()?;
    Ok(Forwarded { answered, client })
}

/// Returns what says more: what earlier targets left, or the failure of a later one. A target that was passed over says least.
fn better(left: Option<FailedAttempt>, failed: FailedAttempt) -> FailedAttempt {
    match left {
        Some(left) if failed.was_unfit() || failed.has_room_later_than(&left) => left,
        _ => failed,
    }
}

/// Returns the refusal of a request whose plan names no target.
pub(super) fn no_target() -> Refused {
    Refused::gateway(503, "the route has no target")
}

/// Returns how often a target may be tried again.
fn retries(decision: &Decision, target: &Target) -> u32 {
    const MAX: u32 = 10;
    let planned = decision.plan.retries;
    planned
        .unwrap_or(target.upstream.config.resilience.retry.attempts)
        .min(MAX)
}

/// Returns the wait before the next attempt at the same target. `None` means no further attempt: the wait would be too
/// long, or the upstream's retry budget is spent.
fn wait(target: &Target, tries: u32, failed: &FailedAttempt) -> Option<Duration> {
    let max_wait = target.upstream.config.resilience.retry.max_wait;
    let wait = match failed.wait {
        Some(asked) if asked > max_wait => return None,
        Some(asked) => asked,
        None => target
            .upstream
            .backoff
            .delay(tries, &mut rand::thread_rng()),
    };
    target.upstream.retries.try_withdraw().then_some(wait)
}
