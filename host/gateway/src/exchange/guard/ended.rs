//! The reasons for which guards, or their readers, end an exchange.

use witgate_messages::Malformed;
use witgate_messages::error::ErrorType;
use witgate_runtime::{Hook, Stopped};

use crate::answer::refused::{Blame, Refused, Retry};

/// The reason that a document can't go on.
pub(super) enum Unfit {
    /// A guard ends the exchange.
    Stopped(Box<Stopped>),
    /// The JSON can't be followed.
    Malformed(Malformed),
    /// The guards take longer than they may.
    TooLong,
    /// The gateway can't go on.
    Refused(Box<Refused>),
}

/// The end of an answer.
pub(super) struct Ended {
    pub(super) refused: Box<Refused>,
    /// The explanation of an end that looks like the model's own, or `None` for an error.
    pub(super) quietly: Option<String>,
}

// === impl Unfit ===

impl From<Malformed> for Unfit {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Box<Stopped>> for Unfit {
    fn from(stopped: Box<Stopped>) -> Self {
        Self::Stopped(stopped)
    }
}

impl From<Refused> for Unfit {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
}

// === impl Ended ===

impl From<Refused> for Ended {
    fn from(refused: Refused) -> Self {
        Self {
            refused: Box::new(refused),
            quietly: None,
        }
    }
}

impl From<Box<Stopped>> for Ended {
    fn from(stopped: Box<Stopped>) -> Self {
        let quietly = match &*stopped {
            Stopped::Stop {
                message,
                quietly: true,
                ..
            } => Some(message.clone()),
            _ => None,
        };
        Self {
            quietly,
            refused: Box::new(refusal(*stopped)),
        }
    }
}

/// Returns the refusal for the end that a guard wants.
pub(super) fn refusal(stopped: Stopped) -> Refused {
    match stopped {
        Stopped::Stop {
            plugin, message, ..
        } => Refused {
            kind: ErrorType::PolicyBlocked,
            retry: Retry::Useless,
            blame: Blame::Policy {
                plugin: plugin.to_string(),
                hook: Hook::Guard,
            },
            ..Refused::client(400, message)
        },
        Stopped::Fault(fault) => Refused::fault(&fault),
        other => Refused::gateway(503, other.to_string()),
    }
}
