//! Errors in Anthropic's shape: the gateway's own, and those read from an upstream.
//!
//! `{"type":"error","error":{"type":…,"message":…},"request_id":…}`, as a body or as the data of an SSE `error` event.
//! Clients branch on `error.type`, and Claude Code on the wording of some messages, so an upstream's error is only read here,
//! never rewritten.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The `error.type` of an error.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorType {
    /// The request is at fault (400).
    InvalidRequest,
    /// The credential is missing or wrong (401).
    Authentication,
    /// Payment is required (402), or the gateway's own spending cap is reached (429).
    Billing,
    /// The credential lacks the permission (403).
    Permission,
    /// The object does not exist (404).
    NotFound,
    /// The request conflicts with the current state (409).
    Conflict,
    /// The body is too large (413).
    RequestTooLarge,
    /// Too many requests or tokens (429).
    RateLimit,
    /// The upstream, or the gateway, failed (500).
    Api,
    /// The request timed out (504).
    Timeout,
    /// The upstream has no capacity (529).
    Overloaded,
    /// The operator's policy refuses the request (400 with `x-should-retry: false`).
    PolicyBlocked,
    /// An unknown type.
    Other(Cow<'static, str>),
}

/// An error reported by an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReport {
    /// The `error.type`.
    pub kind: ErrorType,
    /// The `error.message`; empty if there is none.
    pub message: String,
}

#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'static str,
    error: Error<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Error<'a> {
    r#type: &'a str,
    message: &'a str,
}

#[derive(Deserialize)]
struct ForeignEnvelope {
    error: ForeignError,
}

#[derive(Deserialize)]
struct ForeignError {
    r#type: String,
    #[serde(default)]
    message: Option<String>,
}

/// An error body.
pub fn body(kind: &ErrorType, message: &str, request_id: Option<&str>) -> Bytes {
    let error = Error {
        r#type: kind.as_str(),
        message,
    };
    let envelope = Envelope {
        r#type: "error",
        error,
        request_id,
    };
    // Only strings, which JSON can always represent.
    Bytes::from(serde_json::to_vec(&envelope).unwrap_or_default())
}

/// Returns the SSE event that ends a stream which already began with status 200.
pub fn sse_event(kind: &ErrorType, message: &str, request_id: Option<&str>) -> Bytes {
    let body = body(kind, message, request_id);
    Bytes::from([b"event: error\ndata: ", body.as_ref(), b"\n\n"].concat())
}

// === impl ErrorType ===

impl ErrorType {
    /// Returns the type for an HTTP status.
    pub fn from_status(status: u16) -> Self {
        match status {
            401 => Self::Authentication,
            402 => Self::Billing,
            403 => Self::Permission,
            404 => Self::NotFound,
            409 => Self::Conflict,
            413 => Self::RequestTooLarge,
            429 => Self::RateLimit,
            408 | 504 => Self::Timeout,
            529 => Self::Overloaded,
            ..500 => Self::InvalidRequest,
            _ => Self::Api,
        }
    }

    /// Returns the HTTP status for the type, or 500 for unknown types.
    pub fn status(&self) -> u16 {
        match self {
            Self::InvalidRequest | Self::PolicyBlocked => 400,
            Self::Authentication => 401,
            Self::Billing => 402,
            Self::Permission => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::RequestTooLarge => 413,
            Self::RateLimit => 429,
            Self::Timeout => 504,
            Self::Overloaded => 529,
            Self::Api | Self::Other(_) => 500,
        }
    }

    /// Returns the type as written in a body.
    pub fn as_str(&self) -> &str {
        match self {
            Self::InvalidRequest => "invalid_request_error",
            Self::Authentication => "authentication_error",
            Self::Billing => "billing_error",
            Self::Permission => "permission_error",
            Self::NotFound => "not_found_error",
            Self::Conflict => "conflict_error",
            Self::RequestTooLarge => "request_too_large",
            Self::RateLimit => "rate_limit_error",
            Self::Api => "api_error",
            Self::Timeout => "timeout_error",
            Self::Overloaded => "overloaded_error",
            Self::PolicyBlocked => "policy_blocked",
            Self::Other(code) => code,
        }
    }
}

impl From<&str> for ErrorType {
    fn from(code: &str) -> Self {
        match code {
            "invalid_request_error" => Self::InvalidRequest,
            "authentication_error" => Self::Authentication,
            "billing_error" => Self::Billing,
            "permission_error" => Self::Permission,
            "not_found_error" => Self::NotFound,
            "conflict_error" => Self::Conflict,
            "request_too_large" => Self::RequestTooLarge,
            "rate_limit_error" => Self::RateLimit,
            "api_error" => Self::Api,
            "timeout_error" => Self::Timeout,
            "overloaded_error" => Self::Overloaded,
            "policy_blocked" => Self::PolicyBlocked,
            other => Self::Other(Cow::Owned(other.to_owned())),
        }
    }
}

impl std::fmt::Display for ErrorType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl ErrorReport ===

impl ErrorReport {
    /// Reads an upstream's error body, or the data of its SSE `error` event. Returns `None` for any other shape.
    pub fn read(body: &[u8]) -> Option<Self> {
        let ForeignEnvelope { error } = serde_json::from_slice(body).ok()?;
        Some(Self {
            kind: ErrorType::from(error.r#type.as_str()),
            message: error.message.unwrap_or_default(),
        })
    }
}
