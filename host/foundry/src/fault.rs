//! Errors of Azure as errors of the API, with cures.
//!
//! Errors of the models are in the API's shape already. Those of Azure, which stands before them, have a code and a message.

use serde::Deserialize;
use serde_json::Value;
use witgate_dialect::{Fault, Reason};
use witgate_messages::error::ErrorType;

/// The longest name of an error that is kept.
const MAX_NAME: usize = 100;

/// An answer of Azure's: the error in a member, or the bare one of its front end (`statusCode`, `message`).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    error: AzureError,
    #[serde(rename = "statusCode")]
    status_code: Option<u16>,
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AzureError {
    /// A name or the status, as a text or a number.
    code: Value,
    message: String,
}

/// Reads an answer with a status of an error, for a deployment of a resource.
pub fn of_answer(status: u16, body: &[u8], deployment: &str, resource: &str) -> Fault {
    if let Some(fault) = Fault::of_api(status, body) {
        let cure = cure("", status, deployment, resource);
        return Fault { cure, ..fault };
    }
    let read: Body = serde_json::from_slice(body).unwrap_or_default();
    let name = match &read.error.code {
        // A number says what the status says.
        Value::String(code) if code.parse::<u16>().is_err() => code.as_str(),
        _ => "",
    };
    let status = match read.status_code.unwrap_or(status) {
        status @ 400..=599 => status,
        _ => 500,
    };
    let (status, kind, reason) = meaning(name).unwrap_or_else(|| {
        let kind = ErrorType::from_status(status);
        (status, kind, Reason::of_status(status))
    });
    let message = [read.error.message, read.message];
    let message = message.into_iter().find(|message| !message.is_empty());
    Fault {
        name: name.chars().take(MAX_NAME).collect(),
        status,
        kind,
        message: message.unwrap_or_else(|| "Microsoft Foundry gave no reason".to_owned()),
        reason,
        cure: cure(name, status, deployment, resource),
    }
}

/// Returns what a code means where its status says something else, or `None`.
fn meaning(name: &str) -> Option<(u16, ErrorType, Option<Reason>)> {
    let (kind, reason) = match name {
        // Azure gives it 401, but a new token would be refused, too: the account lacks a role.
        "PermissionDenied" => (ErrorType::Permission, None),
        "DeploymentNotFound" | "ResourceNotFound" | "api_not_supported" | "unknown_model" => {
            (ErrorType::NotFound, None)
        }
        "RateLimitReached" | "TooManyRequests" => (ErrorType::RateLimit, Some(Reason::Throttled)),
        "insufficient_quota" | "QuotaExceeded" => (ErrorType::RateLimit, Some(Reason::Quota)),
        "NoCapacity" | "ServiceUnavailable" => (ErrorType::Overloaded, Some(Reason::Unavailable)),
        _ => return None,
    };
    Some((kind.status(), kind, reason))
}

/// Returns what an operator can do, by the code and the status.
fn cure(name: &str, status: u16, deployment: &str, resource: &str) -> Option<String> {
    Some(match (name, status) {
        ("PermissionDenied", _) | (_, 403) => format!(
            "give the credential's account the role Cognitive Services User on resource {resource}, and look whether its network lets this machine in"
        ),
        (_, 401) => format!(
            "Azure refuses the credential: look whether the key belongs to resource {resource}, or renew the token (its audience is https://ai.azure.com)"
        ),
        ("api_not_supported", _) => format!(
            "deployment {deployment} of resource {resource} is no model of Anthropic's: map the model's name to another deployment"
        ),
        (_, 404) => format!(
            "resource {resource} has no deployment {deployment}: create it in the Foundry portal, or map the model's name to one that exists"
        ),
        (_, 429) => format!(
            "the quota of deployment {deployment} is exhausted: raise it in the Foundry portal"
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(status: u16, body: &str) -> Fault {
        of_answer(status, body.as_bytes(), "claude-opus-5", "my-resource")
    }

    fn azure(code: &str) -> String {
        format!(r#"{{"error":{{"code":{code},"message":"m"}}}}"#)
    }

    #[test]
    fn each_error_of_azure_becomes_the_apis_with_a_cure() {
        let rows = [
            (
                401,
                r#""401""#,
                401,
                "authentication_error",
                Some("credential"),
                "key belongs to resource my-resource",
            ),
            (
                401,
                "401",
                401,
                "authentication_error",
                Some("credential"),
                "renew the token",
            ),
            (
                401,
                r#""PermissionDenied""#,
                403,
                "permission_error",
                None,
                "Cognitive Services User",
            ),
            (
                404,
                r#""DeploymentNotFound""#,
                404,
                "not_found_error",
                None,
                "no deployment claude-opus-5",
            ),
            (
                404,
                r#""api_not_supported""#,
                404,
                "not_found_error",
                None,
                "no model of Anthropic's",
            ),
            (
                429,
                r#""RateLimitReached""#,
                429,
                "rate_limit_error",
                Some("throttled"),
                "raise it",
            ),
            (
                403,
                r#""insufficient_quota""#,
                429,
                "rate_limit_error",
                Some("quota"),
                "raise it",
            ),
            (
                503,
                r#""NoCapacity""#,
                529,
                "overloaded_error",
                Some("unavailable"),
                "",
            ),
            (
                500,
                r#""InternalServerError""#,
                500,
                "api_error",
                Some("internal"),
                "",
            ),
        ];
        for (given, code, status, kind, reason, cure) in rows {
            let fault = fault(given, &azure(code));
            let read = (
                fault.status,
                fault.kind.to_string(),
                fault.reason.map(Reason::code),
            );
            assert_eq!(read, (status, kind.to_owned(), reason), "{code}");
            let said = fault.cure.unwrap_or_default();
            assert!(
                said.contains(cure) && said.is_empty() == cure.is_empty(),
                "{code}: {said}"
            );
        }
    }

    #[test]
    fn the_bare_error_of_the_front_end_is_read() {
        let fault = fault(
            429,
            r#"{"statusCode": 429, "message": "Rate limit is exceeded."}"#,
        );
        assert_eq!(fault.message, "Rate limit is exceeded.", "its message");
        assert_eq!(fault.reason, Some(Reason::Throttled), "its reason");
    }

    #[test]
    fn an_error_in_the_apis_own_shape_passes() {
        let body = r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#;
        let fault = fault(529, body);
        assert_eq!(
            (fault.status, fault.kind, fault.message.as_str()),
            (529, ErrorType::Overloaded, "busy"),
            "as it is"
        );
    }

    #[test]
    fn an_answer_that_says_nothing_has_a_message_all_the_same() {
        let fault = fault(502, "<html>");
        assert_eq!(
            fault.message, "Microsoft Foundry gave no reason",
            "by status"
        );
        assert_eq!(fault.status, 502, "kept");
    }
}
