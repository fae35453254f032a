//! Errors of Google's as errors of the API, with cures.
//!
//! Errors of the model are in the API's shape already. Google's own have a code and a status by name, and an answer to a streamed
//! request may wrap them in an array.

use serde::Deserialize;
use witgate_dialect::{Fault, Reason};
use witgate_messages::error::ErrorType;

use crate::Place;

/// The longest name of an error that is kept.
const MAX_NAME: usize = 100;

#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    One(Wrapped),
    Several(Vec<Wrapped>),
}

#[derive(Deserialize)]
struct Wrapped {
    error: GoogleError,
}

/// An error of Google's APIs.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GoogleError {
    pub(crate) code: Option<u16>,
    pub(crate) message: String,
    pub(crate) status: String,
    pub(crate) details: Vec<Detail>,
}

/// A detail, of which only the machine's reason counts (`google.rpc.ErrorInfo`).
#[derive(Debug, Deserialize)]
pub(crate) struct Detail {
    pub(crate) reason: Option<String>,
}

/// Reads an answer with a status of an error, for a model at a place.
pub fn of_answer(status: u16, body: &[u8], model: &str, place: &Place) -> Fault {
    if let Some(fault) = Fault::of_api(status, body) {
        let cure = cure(status_name(status), "", model, place);
        return Fault { cure, ..fault };
    }
    let error = GoogleError::read(body).unwrap_or_default();
    let detail = error.reason();
    let name = match error.status.as_str() {
        "" => status_name(error.code.unwrap_or(status)),
        name => name,
    };
    let (status, kind, reason) = meaning(name).unwrap_or_else(|| {
        let status = if status >= 400 { status } else { 500 };
        let kind = ErrorType::from_status(status);
        (status, kind, Reason::of_status(status))
    });
    let message = match error.message.as_str() {
        "" => "Vertex AI gave no reason".to_owned(),
        message => message.to_owned(),
    };
    let exact = if detail.is_empty() { name } else { detail };
    Fault {
        cure: cure(name, detail, model, place),
        name: exact.chars().take(MAX_NAME).collect(),
        status,
        kind,
        message,
        reason,
    }
}

/// Returns what a status by name means, or `None` for an unknown one.
fn meaning(name: &str) -> Option<(u16, ErrorType, Option<Reason>)> {
    let (kind, reason) = match name {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => {
            (ErrorType::InvalidRequest, None)
        }
        "UNAUTHENTICATED" => (ErrorType::Authentication, Some(Reason::Credential)),
        "PERMISSION_DENIED" => (ErrorType::Permission, None),
        "NOT_FOUND" => (ErrorType::NotFound, None),
        "RESOURCE_EXHAUSTED" => (ErrorType::RateLimit, Some(Reason::Throttled)),
        "UNAVAILABLE" | "ABORTED" => (ErrorType::Overloaded, Some(Reason::Unavailable)),
        "DEADLINE_EXCEEDED" => (ErrorType::Timeout, Some(Reason::Timeout)),
        "INTERNAL" | "UNKNOWN" | "DATA_LOSS" | "CANCELLED" => {
            (ErrorType::Api, Some(Reason::Internal))
        }
        _ => return None,
    };
    Some((kind.status(), kind, reason))
}

/// Returns the name that Google gives a status, as far as a cure depends on it.
fn status_name(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        _ => "",
    }
}

/// Returns what an operator can do, by the status and the machine's reason.
fn cure(name: &str, detail: &str, model: &str, place: &Place) -> Option<String> {
    let project = place.project();
    Some(match (name, detail) {
        (_, "SERVICE_DISABLED") => {
            format!("enable the API aiplatform.googleapis.com in project {project}")
        }
        (_, "BILLING_DISABLED") => format!("enable billing for project {project}"),
        (_, "CONSUMER_INVALID") => format!(
            "project {project} does not exist, or the credential may not use it: check its id"
        ),
        ("UNAUTHENTICATED", _) => {
            "Google refuses the token: renew the credential, and check this machine's clock"
                .to_owned()
        }
        ("PERMISSION_DENIED", _) => format!(
            "enable {model} in Model Garden for project {project}, and give the credential's account the role roles/aiplatform.user"
        ),
        ("NOT_FOUND", _) => format!(
            "{model} is not served in {}, or not enabled in Model Garden for project {project}: choose another location (`global` has most models), or map the model's name",
            place.location()
        ),
        ("RESOURCE_EXHAUSTED", _) => format!(
            "the quota of {model} in {place} is exhausted: raise it in Google's console, or choose another location"
        ),
        _ => return None,
    })
}

// === impl GoogleError ===

impl GoogleError {
    /// Reads an error, or the first of an array.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        match serde_json::from_slice(body).ok()? {
            Body::One(Wrapped { error }) => Some(error),
            Body::Several(errors) => errors.into_iter().next().map(|Wrapped { error }| error),
        }
    }

    /// Returns the machine's reason; empty if there is none.
    pub(crate) fn reason(&self) -> &str {
        let mut details = self.details.iter();
        details
            .find_map(|detail| detail.reason.as_deref())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
