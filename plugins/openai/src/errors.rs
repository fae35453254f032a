//! Errors of the Messages API, and of the gateway, in OpenAI's shape.

use witgate_plugin::json::Json;

use crate::out::Out;

/// An error in OpenAI's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Error<'j> {
    message: &'j str,
    kind: &'j str,
    code: &'j str,
    pub(crate) param: Option<&'j str>,
}

// === impl Error ===

impl<'j> Error<'j> {
    /// Reads the body of an error, or the data of an error event.
    pub(crate) fn of(body: &'j Json<'_>) -> Self {
        let error = body.get("error");
        let text = |name| {
            error
                .and_then(|error| error.get(name))
                .and_then(Json::as_str)
        };
        let given = text("type").unwrap_or("api_error");
        let (kind, code) = words(given);
        Self {
            message: text("message").unwrap_or("the upstream reported an error without a message"),
            kind,
            code,
            param: None,
        }
    }

    /// Tells the code that a client knows better.
    pub(crate) fn with(mut self, code: &'j str, param: &'j str) -> Self {
        self.code = code;
        self.param = Some(param);
        self
    }

    /// Writes `{"error": …}`.
    pub(crate) fn write(&self, out: &mut Out) {
        out.object(|out| {
            out.name("error").object(|out| {
                out.text_member("message", self.message);
                out.text_member("type", self.kind);
                self.param_and_code(out);
            });
        });
    }

    /// Writes the members of an error event of a response.
    pub(crate) fn write_members(&self, out: &mut Out) {
        out.text_member("message", self.message);
        self.param_and_code(out);
    }

    fn param_and_code(&self, out: &mut Out) {
        match self.param {
            Some(param) => out.text_member("param", param),
            None => out.member("param", "null"),
        };
        out.text_member("code", self.code);
    }
}

/// Returns the type and the code of an error. What OpenAI has no code for keeps the type of the Messages API as its code.
fn words(kind: &str) -> (&str, &str) {
    match kind {
        "authentication_error" => ("invalid_request_error", "invalid_api_key"),
        "rate_limit_error" => ("rate_limit_error", "rate_limit_exceeded"),
        "billing_error" => ("insufficient_quota", "insufficient_quota"),
        "api_error" | "overloaded_error" | "timeout_error" => ("server_error", kind),
        "permission_error" => ("permission_error", kind),
        _ => ("invalid_request_error", kind),
    }
}

/// Returns the status for one of the Messages API: OpenAI's dialect has no 529.
pub(crate) const fn status(status: u16) -> u16 {
    match status {
        529 => 503,
        other => other,
    }
}
