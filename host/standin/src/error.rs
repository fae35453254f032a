//! Errors in the API's shape: `{"type":"error","error":{"type","message"},"request_id"}`.

use std::borrow::Cow;
use std::fmt::Display;

use serde_json::{Value, json};

/// An error response. The texts are the API's, because clients match them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) message: Cow<'static, str>,
}

// === impl ApiError ===

impl ApiError {
    /// Returns the API's usual error for a status. Other 4xx are `invalid_request_error`, all else is `api_error`.
    pub(super) fn of_status(status: u16) -> Self {
        let (kind, message) = match status {
            401 => ("authentication_error", "invalid x-api-key"),
            402 => (
                "billing_error",
                "Your credit balance is too low to access the Anthropic API.",
            ),
            403 => (
                "permission_error",
                "Your API key does not have permission to use the specified resource.",
            ),
            404 => ("not_found_error", "Not found"),
            409 => (
                "conflict_error",
                "The request conflicts with the current state of the resource.",
            ),
            413 => ("request_too_large", "Request exceeds the maximum size"),
            429 => (
                "rate_limit_error",
                "This request would exceed your organization's rate limit. Please try again later.",
            ),
            504 => ("timeout_error", "Request timed out"),
            529 => ("overloaded_error", "Overloaded"),
            400..500 => (
                "invalid_request_error",
                "The request was refused by the stand-in.",
            ),
            _ => ("api_error", "Internal server error"),
        };
        Self {
            status,
            kind,
            message: Cow::Borrowed(message),
        }
    }

    pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: message.into(),
            ..Self::of_status(400)
        }
    }

    pub(super) fn not_json(error: impl Display) -> Self {
        Self::invalid(format!("The request body is not valid JSON: {error}"))
    }

    pub(super) fn unauthenticated() -> Self {
        Self {
            message: Cow::Borrowed("x-api-key header is required"),
            ..Self::of_status(401)
        }
    }

    pub(super) fn unknown_model(name: &str) -> Self {
        Self {
            message: format!("model: {name}").into(),
            ..Self::of_status(404)
        }
    }

    /// Returns the body of the response, or the data of an `error` event, which has no request id.
    pub(super) fn body(&self, request_id: Option<&str>) -> Value {
        let error = json!({"type": self.kind, "message": self.message});
        match request_id {
            Some(id) => json!({"type": "error", "error": error, "request_id": id}),
            None => json!({"type": "error", "error": error}),
        }
    }
}
