//! Errors of Bedrock as errors of the API.
//!
//! Bedrock names an error in `x-amzn-errortype`, in the body or in a frame of a stream, always by the same names. Each becomes a
//! status and a type that clients of the API know, and keeps Bedrock's message. Errors of the credential become 401, so that
//! whoever holds it renews it; an exhausted quota becomes 429, though Bedrock says 400.

mod names;

use bytes::Bytes;
use serde::Deserialize;
use witgate_messages::error::{self, ErrorReport, ErrorType};

pub use witgate_dialect::Reason;

/// An error as the API would give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Bedrock's name of the error, such as `ThrottlingException`; empty if it gave none.
    pub name: String,
    /// The status of the API.
    pub status: u16,
    /// The type of the API.
    pub kind: ErrorType,
    /// Bedrock's message.
    pub message: String,
    /// The reason why another attempt may succeed, or `None` if it can't.
    pub reason: Option<Reason>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    #[serde(alias = "Message")]
    message: Option<String>,
    #[serde(rename = "originalMessage")]
    original_message: Option<String>,
    #[serde(rename = "__type", alias = "code")]
    name: Option<String>,
}

// === impl Fault ===

impl Fault {
    /// Reads an answer with a status of an error. `error_type` is its header `x-amzn-errortype`.
    pub fn of_answer(status: u16, error_type: Option<&str>, body: &[u8]) -> Self {
        if let Some(ErrorReport { kind, message }) = ErrorReport::read(body) {
            return Self {
                name: String::new(),
                status,
                kind,
                message,
                reason: Reason::of_status(status),
            };
        }
        let read: Body = serde_json::from_slice(body).unwrap_or_default();
        let name = error_type.or(read.name.as_deref()).map_or("", bare);
        let message = read.message.unwrap_or_default();
        Self::named(name, Some(status), message)
    }

    /// Reads an exception of a stream: its name, and the payload of its frame.
    pub fn of_exception(name: &str, payload: &[u8]) -> Self {
        let read: Body = serde_json::from_slice(payload).unwrap_or_default();
        let message = read.message.or(read.original_message);
        Self::named(name, None, message.unwrap_or_default())
    }

    /// Returns the error of this name. The status counts if the name is unknown.
    pub(crate) fn named(name: &str, status: Option<u16>, message: String) -> Self {
        let name = names::capital(name);
        let (status, kind, reason) = names::meaning(&name).unwrap_or_else(|| {
            let status = status.filter(|status| *status >= 400).unwrap_or(500);
            (
                status,
                ErrorType::from_status(status),
                Reason::of_status(status),
            )
        });
        let message = match message.as_str() {
            "" if name.is_empty() => "Amazon Bedrock gave no reason".to_owned(),
            "" => name.clone(),
            _ => message,
        };
        Self {
            name,
            status,
            kind,
            message,
            reason,
        }
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

/// Returns the name without the namespace before it and the address behind it.
fn bare(name: &str) -> &str {
    let name = name.split(':').next().unwrap_or_default();
    name.rsplit('#').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests;
