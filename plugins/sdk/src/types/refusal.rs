//! Refusals: error responses in Anthropic's format, sent instead of forwarding the request.

use super::{Charge, Refusal};

// === impl Refusal ===

impl Refusal {
    /// Creates a refusal with an HTTP status from 400 to 599, an `error.type` and a message.
    #[must_use]
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            retry_after_ms: None,
            attributes: Vec::new(),
        }
    }

    /// Creates a 400 `invalid_request_error`, for a request that is wrong in itself.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// Creates a 400 `invalid_request_error` for a part of the request that exceeds a maximum of the plugin:
    /// `too_much("vmx.metadata", "256 entries")`.
    ///
    /// The values that a plugin returns may grow with the values that a caller sends. Returning more than the host accepts is
    /// a fault, which the caller sees as a 503, so refuse large input before you process it.
    #[must_use]
    pub fn too_much(part: &str, most: &str) -> Self {
        Self::invalid(format!("{part}: must be at most {most}"))
    }

    /// Creates a 403 `permission_error`, for a caller without permission.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "permission_error", message)
    }

    /// Creates a 404 `not_found_error`, for example for an unknown model.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "not_found_error", message)
    }

    /// Creates a 400 `policy_blocked`, which Claude Code shows to its user without a retry.
    #[must_use]
    pub fn blocked(message: impl Into<String>) -> Self {
        Self::new(400, "policy_blocked", message)
    }

    /// Creates a 429 for a charge that does not fit its limit: a `billing_error` for money, since a retry doesn't help, and a
    /// `rate_limit_error` for all other units. The message names only the kind of the account, before the first colon.
    #[must_use]
    pub fn exhausted(charge: &Charge) -> Self {
        let kind = charge.account.split(':').next().unwrap_or_default();
        let (code, counted) = match charge.unit.code() {
            "picousd" => ("billing_error", "spend"),
            "tokens" => ("rate_limit_error", "token"),
            "sessions" => ("rate_limit_error", "session"),
            "requests" => ("rate_limit_error", "request"),
            "in-flight" => ("rate_limit_error", "concurrent request"),
            other => ("rate_limit_error", other),
        };
        let window = &charge.window;
        let message = match charge.unit.code() {
            "in-flight" => {
                format!("The {counted} limit of this {kind} is reached; wait for a request to end.")
            }
            _ => {
                format!("The {counted} limit of this {kind} for the window `{window}` is reached.")
            }
        };
        Self::new(429, code, message)
    }

    /// Sets the HTTP status, from 400 to 599.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Sets the `error.type`.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = code.into();
        self
    }

    /// Sets the message. Say whose fault it is and what to do.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// Tells the client to retry after this many milliseconds.
    #[must_use]
    pub fn retry_after_ms(mut self, milliseconds: u64) -> Self {
        self.retry_after_ms = Some(milliseconds);
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }
}
