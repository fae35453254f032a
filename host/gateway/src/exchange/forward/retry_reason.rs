//! The reasons to try another target, by the names that plans use.

use witgate_messages::error::ErrorType;
use witgate_upstream::RequestError;

use crate::exchange::decide::Decision;

/// A reason to try another target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryReason {
    Connect,
    Timeout,
    Conflict,
    RateLimit,
    Overloaded,
    ServerError,
}

// === impl RetryReason ===

impl RetryReason {
    /// Returns the reason that a status gives, or `None` for an answer that another attempt would not better.
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

    /// Returns the reason that an error at the beginning of a stream gives.
    pub(crate) fn of_error(kind: &ErrorType) -> Option<Self> {
        Self::of_status(kind.status())
    }

    /// Returns the reason that a request without an answer gives.
    pub(crate) fn of_failure(error: &RequestError) -> Self {
        match error {
            RequestError::Connect { .. }
            | RequestError::Unsendable { .. }
            | RequestError::Unfit { .. }
            | RequestError::NoCredential { .. } => Self::Connect,
            RequestError::Timeout { .. } => Self::Timeout,
            RequestError::Exhausted { .. } => Self::RateLimit,
            RequestError::Broken { .. } | RequestError::Malformed { .. } => Self::ServerError,
        }
    }

    /// Returns the code that plans use.
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

    /// Returns whether the plan allows another attempt for this reason.
    pub(crate) fn plan_allows_another(self, decision: &Decision) -> bool {
        let on = decision.plan.retry_on.as_deref();
        on.is_none_or(|on| on.iter().any(|reason| reason.code() == self.code()))
    }
}
