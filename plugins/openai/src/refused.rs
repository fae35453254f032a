//! Requests that the Messages API can't be asked for.

/// A request that is refused, with the name of the member that is the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Message for the client.
    pub(crate) message: String,
    /// The member, as a path: `messages[2].content[0].type`.
    pub(crate) param: String,
    /// The error's code in OpenAI's dialect.
    pub(crate) code: &'static str,
}

// === impl Refused ===

impl Refused {
    /// Creates the refusal of a member that the Messages API has no counterpart for.
    pub(crate) fn unsupported(param: impl Into<String>, why: &str) -> Self {
        let param = param.into();
        Self {
            message: format!("`{param}` is not supported by this gateway: {why}"),
            param,
            code: "unsupported_parameter",
        }
    }

    /// Creates the refusal of a value that is wrong in itself.
    pub(crate) fn invalid(param: impl Into<String>, expected: &str) -> Self {
        let param = param.into();
        Self {
            message: format!("`{param}` must be {expected}"),
            param,
            code: "invalid_value",
        }
    }
}
