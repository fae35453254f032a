//! What an attempt failed with, as plans name it.

use witgate_messages::error::ErrorType;

use crate::exchange::decide::Decision;
use crate::upstream::connection::Failed;

/// A reason to try something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Connect,
    Timeout,
    Conflict,
    RateLimit,
    Overloaded,
    ServerError,
}

// === impl Condition ===

impl Condition {
    /// The condition that an answer stands for; none for one that another try would not better.
    pub(crate) fn of_status(status: u16) -> Option<Self> {
        match status {
            409 => Some(Self::Conflict),
            429 => Some(Self::RateLimit),
            408 | 504 => Some(Self::Timeout),
            503 | 529 => Some(Self::Overloaded),
            500..=599 => Some(Self::ServerError),
            _ => None,
        }
    }

    /// The condition that an error at the beginning of a stream stands for.
    pub(crate) fn of_error(kind: &ErrorType) -> Option<Self> {
        Self::of_status(kind.status())
    }

    pub(crate) fn of_failure(failed: &Failed) -> Self {
        match failed {
            Failed::Connect { .. } => Self::Connect,
            Failed::Timeout { .. } => Self::Timeout,
            Failed::Broken { .. } | Failed::Malformed { .. } => Self::ServerError,
        }
    }

    /// The open code that plans use.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Conflict => "conflict",
            Self::RateLimit => "rate-limit",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server-error",
        }
    }

    /// Whether the plan lets something else be tried after it.
    pub(crate) fn may_retry(self, decision: &Decision) -> bool {
        let on = &decision.plan.retry_on;
        on.is_empty() || on.iter().any(|code| code == self.code())
    }
}
