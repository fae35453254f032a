//! A try that came to nothing, and what that means for the next one.

use std::time::Duration;

use super::Forwarded;
use super::attempt::Answered;
use super::retry_reason::Condition;
use crate::answer::refused::Refused;
use crate::exchange::buffered::fetch;
use crate::exchange::decide::Decision;
use crate::exchange::downstream::Client;
use crate::upstream::admission::Closed;
use crate::upstream::breaker::Severity;
use crate::upstream::connection::Failed;

/// A try that failed, with what is left of it: if nothing better can be had, that is the answer.
pub(crate) struct Setback {
    pub(crate) condition: Condition,
    /// How long the upstream asks to wait before it is asked again.
    pub(crate) wait: Option<Duration>,
    pub(crate) left: Left,
}

/// What is left of a try.
pub(crate) enum Left {
    /// An answer that another try might better.
    Answer(Box<Answered>),
    /// No answer.
    Failed(Failed),
    /// The upstream was not asked.
    Closed(Closed),
}

// === impl Setback ===

impl Setback {
    /// Returns whether it is of use to try the same target again. One that used up its `head_timeout_ms` would likely use it
    /// up once more, and the client would have left by then; after a limit of a caller's or a plan's choice, another try
    /// would spend the upstream's retries on one caller's impatience.
    pub(crate) fn may_repeat(&self) -> bool {
        match &self.left {
            Left::Answer(_) => true,
            Left::Failed(Failed::Timeout { .. }) | Left::Closed(_) => false,
            Left::Failed(failed) => failed.is_upstreams(),
        }
    }

    /// Whether the target was passed over only because another one could take the request.
    pub(crate) fn gave_way(&self) -> bool {
        match &self.left {
            Left::Closed(closed) => closed.severity() == Some(Severity::Failing),
            Left::Answer(_) | Left::Failed(_) => false,
        }
    }

    /// Whether the plan lets something else be tried after it.
    pub(crate) fn may_retry(&self, decision: &Decision) -> bool {
        matches!(self.left, Left::Closed(_)) || self.condition.may_retry(decision)
    }

    /// What the client gets when nothing better can be had.
    ///
    /// # Errors
    ///
    /// There was no answer: the gateway's own has to do.
    pub(crate) fn settle_for(self, client: Client) -> Result<Forwarded, Refused> {
        match self.left {
            Left::Answer(answered) => Ok(answered.into_forwarded(client)),
            Left::Failed(failed) => Err(fetch::refuse(&failed)),
            Left::Closed(closed) => {
                let second = Duration::from_secs(1);
                let retry_after = closed.retry_after.map_or(second, |wait| wait.max(second));
                Err(Refused {
                    retry_after: Some(retry_after),
                    ..Refused::upstream(503, closed.to_string())
                })
            }
        }
    }
}
