//! Errors of services as errors of the API.

use bytes::Bytes;
use witgate_messages::error::{self, ErrorReport, ErrorType};

/// An error as the API would give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The service's own name of the error; empty if it gave none.
    pub name: String,
    /// The status of the API.
    pub status: u16,
    /// The type of the API.
    pub kind: ErrorType,
    /// The service's message.
    pub message: String,
    /// The reason why another attempt may succeed, or `None` if it can't.
    pub reason: Option<Reason>,
    /// A cure for the operator, if one is known.
    pub cure: Option<String>,
}

/// The reason why another attempt may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Requests come too fast.
    Throttled,
    /// A quota of the account is exhausted; a retry helps once its period is over.
    Quota,
    /// The model is being made ready.
    NotReady,
    /// The model took too long.
    Timeout,
    /// The service has no capacity.
    Unavailable,
    /// The service or the model failed.
    Internal,
    /// The credential is expired or wrong, so a renewed one is needed.
    Credential,
}

// === impl Fault ===

impl Fault {
    /// Reads an error that is already in the API's shape.
    pub fn of_api(status: u16, body: &[u8]) -> Option<Self> {
        let ErrorReport { kind, message } = ErrorReport::read(body)?;
        Some(Self {
            name: String::new(),
            status,
            kind,
            message,
            reason: Reason::of_status(status),
            cure: None,
        })
    }

    /// Returns the body of an answer.
    pub fn body(&self, request_id: Option<&str>) -> Bytes {
        error::body(&self.kind, &self.message, request_id)
    }

    /// Returns the event that ends a stream.
    pub fn sse_event(&self, request_id: Option<&str>) -> Bytes {
        error::sse_event(&self.kind, &self.message, request_id)
    }
}

// === impl Reason ===

impl Reason {
    /// Returns the reason that a status alone gives.
    pub fn of_status(status: u16) -> Option<Self> {
        match status {
            401 => Some(Self::Credential),
            429 => Some(Self::Throttled),
            408 | 504 => Some(Self::Timeout),
            503 | 529 => Some(Self::Unavailable),
            500.. => Some(Self::Internal),
            _ => None,
        }
    }

    /// Returns the reason's code, for records.
    pub fn code(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Quota => "quota",
            Self::NotReady => "not-ready",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
            Self::Credential => "credential",
        }
    }
}
