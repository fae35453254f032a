//! An attempt that failed, and its consequences for the next one.

use std::time::Duration;

use witgate_upstream::{ChosenBy, Closed, Consequence, RequestError, Severity, Unfit};

use super::answered::Answered;
use super::capacity::{self, OutOfCapacity};
use super::retry_reason::RetryReason;
use crate::answer::refused::{Blame, Refused};
use crate::exchange::decide::Decision;

/// An attempt that failed, with what is left of it: the answer, if no other target gives a better one.
pub(crate) struct FailedAttempt {
    pub(crate) reason: RetryReason,
    /// The wait that the upstream asks for before it is asked again.
    pub(crate) wait: Option<Duration>,
    pub(crate) left: Left,
}

/// The remains of an attempt.
pub(crate) enum Left {
    /// An answer that another attempt might better.
    Answer(Box<Answered>),
    /// No answer.
    Failed(RequestError),
    /// No attempt: the upstream did not take the request.
    Closed(Closed),
    /// No attempt: the upstream's capacity is used, or kept for others.
    OutOfCapacity(Box<OutOfCapacity>),
}

// === impl FailedAttempt ===

impl FailedAttempt {
    /// Returns whether it is of use to try the same target again. A target that used up its `head_timeout_ms` would likely
    /// do so again, and the client would have left by then. After a limit that a caller or a plan chose, a retry would
    /// spend the upstream's budget on one caller's impatience.
    pub(crate) fn may_repeat(&self) -> bool {
        match &self.left {
            Left::Answer(_) => true,
            Left::Failed(RequestError::Timeout { .. })
            | Left::Closed(_)
            | Left::OutOfCapacity(_) => false,
            Left::Failed(error) => error.is_upstreams(),
        }
    }

    /// Returns whether the target was passed over only because another one could take the request.
    pub(crate) fn was_deferred(&self) -> bool {
        match &self.left {
            Left::Closed(closed) => closed.severity() == Some(Severity::Failing),
            Left::Answer(_) | Left::Failed(_) | Left::OutOfCapacity(_) => false,
        }
    }

    /// Returns whether the target was passed over because its dialect cannot carry the request.
    pub(crate) fn was_unfit(&self) -> bool {
        match &self.left {
            Left::Failed(error) => error.is_passed_over(),
            Left::Answer(_) | Left::Closed(_) | Left::OutOfCapacity(_) => false,
        }
    }

    /// Returns whether the target was passed over because it has no room in its capacity.
    pub(crate) fn was_out_of_capacity(&self) -> bool {
        matches!(self.left, Left::OutOfCapacity(_))
    }

    /// Returns whether neither target has room, and this one will have some later than the other.
    pub(crate) fn has_room_later_than(&self, other: &Self) -> bool {
        let wait = |failed: &Self| failed.wait.unwrap_or(Duration::MAX);
        self.was_out_of_capacity() && other.was_out_of_capacity() && wait(other) < wait(self)
    }

    /// Returns whether the plan allows another attempt after this one.
    pub(crate) fn plan_allows_another(&self, decision: &Decision) -> bool {
        match &self.left {
            Left::Closed(_) | Left::OutOfCapacity(_) => true,
            Left::Failed(RequestError::Unsendable { .. } | RequestError::NoCredential { .. }) => {
                true
            }
            Left::Failed(RequestError::Unfit { unfit, .. }) => {
                unfit.consequence == Consequence::PassedOver
            }
            Left::Answer(_) | Left::Failed(_) => self.reason.plan_allows_another(decision),
        }
    }

    /// Returns what the client gets when there is nothing better.
    ///
    /// # Errors
    ///
    /// There was no answer: the gateway's own takes its place.
    pub(crate) fn into_final(self) -> Result<Answered, Refused> {
        match self.left {
            Left::Answer(answered) => Ok(*answered),
            Left::Failed(error) => Err(refuse(&error)),
            Left::Closed(closed) => Err(refuse_closed(&closed)),
            Left::OutOfCapacity(out) => Err(capacity::refuse(&out)),
        }
    }
}

/// Returns the refusal of a request that no upstream takes now.
pub(crate) fn refuse_closed(closed: &Closed) -> Refused {
    Refused {
        retry_after: Some(in_whole_seconds(closed.retry_after)),
        ..Refused::upstream(503, closed.to_string())
    }
}

/// Returns the wait that a client is told, which is at least a second.
fn in_whole_seconds(wait: Option<Duration>) -> Duration {
    const SECOND: Duration = Duration::from_secs(1);
    wait.map_or(SECOND, |wait| wait.max(SECOND))
}

/// Returns the refusal of a request that the only upstream for it cannot take.
pub(crate) fn refuse_unfit(upstream: &str, unfit: Unfit) -> Refused {
    let upstream = upstream.to_owned();
    refuse(&RequestError::Unfit { upstream, unfit })
}

/// Returns the refusal of a request that got no answer, with the blame on whoever chose the limit.
pub(crate) fn refuse(error: &RequestError) -> Refused {
    let message = error.to_string();
    match error {
        RequestError::Timeout { limit, .. } => Refused {
            blame: match limit.chosen_by {
                ChosenBy::Upstream => Blame::Upstream,
                ChosenBy::Plan => Blame::Gateway,
                ChosenBy::Caller => Blame::Client,
            },
            ..Refused::upstream(504, message)
        },
        RequestError::Connect { .. }
        | RequestError::Broken { .. }
        | RequestError::Malformed { .. } => Refused::upstream(502, message),
        RequestError::Exhausted { retry_after, .. } => Refused {
            retry_after: Some(in_whole_seconds(*retry_after)),
            ..Refused::upstream(429, message)
        },
        RequestError::Unsendable { .. } => Refused::client(400, message),
        RequestError::Unfit { unfit, .. } if unfit.status >= 500 => {
            Refused::gateway(unfit.status, message)
        }
        RequestError::Unfit { unfit, .. } => Refused::client(unfit.status, message),
        RequestError::NoCredential { .. } => Refused::gateway(503, message),
    }
}
