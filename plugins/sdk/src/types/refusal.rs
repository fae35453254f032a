//! Refusals: answers in Anthropic's shape instead of forwarding.

use super::{Charge, Refusal};

// === impl Refusal ===

impl Refusal {
    /// A refusal with this HTTP status (400 to 599), `error.type` and message.
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

    /// 400 `invalid_request_error`: the client asked for something that cannot be.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// 400 `invalid_request_error` for a part of the request that is larger than the plugin takes, with the most that it
    /// does: `too_much("vmx.metadata", "256 entries")`.
    ///
    /// What a plugin returns may grow with what the caller sends: a list for each entry, a text for each name. Refuse what
    /// would not fit, before it is read to its end. Returning too much is a fault, and the caller's request would be
    /// answered with a 503.
    #[must_use]
    pub fn too_much(part: &str, most: &str) -> Self {
        Self::invalid(format!("{part}: has to be at most {most}"))
    }

    /// 403 `permission_error`: the caller may not.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "permission_error", message)
    }

    /// 404 `not_found_error`: there is no such thing, for example no such model.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "not_found_error", message)
    }

    /// 400 `policy_blocked`: the shape that Claude Code shows to its user without trying again.
    #[must_use]
    pub fn blocked(message: impl Into<String>) -> Self {
        Self::new(400, "policy_blocked", message)
    }

    /// 429, for a charge that does not fit: `billing_error` for money, which a retry does not bring back, and
    /// `rate_limit_error` for the rest. The account is told by its kind only, the part before the first colon.
    #[must_use]
    pub fn exhausted(charge: &Charge) -> Self {
        let kind = charge.account.split(':').next().unwrap_or_default();
        let (code, counted) = match charge.unit.as_str() {
            "picousd" => ("billing_error", "spend"),
            "tokens" => ("rate_limit_error", "token"),
            "requests" => ("rate_limit_error", "request"),
            "in-flight" => ("rate_limit_error", "concurrent request"),
            other => ("rate_limit_error", other),
        };
        let window = &charge.window;
        let message = match charge.unit.as_str() {
            "in-flight" => {
                format!("The {counted} limit of this {kind} is reached; wait for a request to end.")
            }
            _ => {
                format!("The {counted} limit of this {kind} for the window `{window}` is reached.")
            }
        };
        Self::new(429, code, message)
    }

    /// The same with another HTTP status, 400 to 599.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same with another `error.type`.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = code.into();
        self
    }

    /// The same with another message: whose fault it is and what to do.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// The same, telling the client after how many milliseconds another try makes sense.
    #[must_use]
    pub fn retry_after_ms(mut self, milliseconds: u64) -> Self {
        self.retry_after_ms = Some(milliseconds);
        self
    }

    /// The same with one more attribute.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }
}
