//! The reasons for which an answer stops before its end.

use pingora_core::ErrorType as IoError;

use crate::answer::refused::Refused;
use crate::exchange::downstream::Interrupted;
use crate::exchange::settle::Unkept;
use crate::tenants::owners::ClaimError;

/// The reason for which an answer stopped before its end.
pub(crate) enum Stopped {
    ClientGone,
    /// The upstream closed the connection.
    UpstreamClosed(String),
    /// The gateway ended it after a time limit.
    TimedOut(String),
    /// The gateway ended it because it could not answer for the rest.
    Refused(String),
    /// A guard ended it. The client has been told.
    Guard,
    /// A limit is reached. The client has been told if there was a place for it.
    Spent(Box<Refused>),
}

// === impl Stopped ===

impl Stopped {
    pub(crate) fn of(error: &pingora_core::Error) -> Self {
        match error.etype() {
            IoError::ReadTimedout => {
                Self::TimedOut("the upstream stalled in the middle of its response".into())
            }
            kind => Self::UpstreamClosed(kind.as_str().to_owned()),
        }
    }
}

impl From<Unkept> for Stopped {
    fn from(unkept: Unkept) -> Self {
        match unkept {
            Unkept::Claim(error) => error.into(),
            Unkept::Spent(refused) => Self::Spent(refused),
        }
    }
}

impl From<ClaimError> for Stopped {
    fn from(error: ClaimError) -> Self {
        tracing::error!(%error, "could not record the owner of a file or container that this response created; closing the stream");
        Self::Refused(
            "the owner of a file or container that the response created could not be recorded"
                .into(),
        )
    }
}

impl From<Interrupted> for Stopped {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::ClientGone => Self::ClientGone,
            Interrupted::Deadline => {
                Self::TimedOut("the response took longer than the gateway allows".into())
            }
        }
    }
}
