//! Tests of errors.

use super::*;

fn fault(status: u16, body: &str) -> Fault {
    let place = Place::try_new("my-project", "europe-west1").unwrap();
    of_answer(status, body.as_bytes(), "claude-opus-5", &place)
}

fn google(code: u16, name: &str) -> String {
    format!(r#"{{"error":{{"code":{code},"message":"m","status":"{name}"}}}}"#)
}

#[test]
fn each_error_of_google_becomes_the_apis() {
    let rows = [
        (400, "INVALID_ARGUMENT", 400, "invalid_request_error", None),
        (
            400,
            "FAILED_PRECONDITION",
            400,
            "invalid_request_error",
            None,
        ),
        (
            401,
            "UNAUTHENTICATED",
            401,
            "authentication_error",
            Some("credential"),
        ),
        (403, "PERMISSION_DENIED", 403, "permission_error", None),
        (404, "NOT_FOUND", 404, "not_found_error", None),
        (
            429,
            "RESOURCE_EXHAUSTED",
            429,
            "rate_limit_error",
            Some("throttled"),
        ),
        (
            503,
            "UNAVAILABLE",
            529,
            "overloaded_error",
            Some("unavailable"),
        ),
        (
            504,
            "DEADLINE_EXCEEDED",
            504,
            "timeout_error",
            Some("timeout"),
        ),
        (500, "INTERNAL", 500, "api_error", Some("internal")),
        (418, "NEW_STATUS", 418, "invalid_request_error", None),
        (502, "NEW_STATUS", 502, "api_error", Some("internal")),
    ];
    for (given, name, status, kind, reason) in rows {
        let fault = fault(given, &google(given, name));
        let read = (
            fault.status,
            fault.kind.to_string(),
            fault.reason.map(Reason::code),
        );
        assert_eq!(read, (status, kind.to_owned(), reason), "{name}");
        assert_eq!(
            (fault.name.as_str(), fault.message.as_str()),
            (name, "m"),
            "kept"
        );
    }
}

#[test]
fn an_error_names_its_cure() {
    let cure = |status, name| {
        fault(status, &google(status, name))
            .cure
            .unwrap_or_default()
    };
    let denied = cure(403, "PERMISSION_DENIED");
    assert!(
        denied.contains("enable claude-opus-5 in Model Garden") && denied.contains("my-project"),
        "{denied}"
    );
    let missing = cure(404, "NOT_FOUND");
    assert!(
        missing.contains("europe-west1") && missing.contains("`global`"),
        "{missing}"
    );
    assert!(
        cure(429, "RESOURCE_EXHAUSTED").contains("quota of claude-opus-5"),
        "quota"
    );
    assert!(cure(401, "UNAUTHENTICATED").contains("clock"), "a token");
    assert_eq!(
        cure(400, "INVALID_ARGUMENT"),
        "",
        "the client's own fault has none"
    );
    let disabled = r#"{"error":{"code":403,"message":"m","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.Help"},{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SERVICE_DISABLED","domain":"googleapis.com"}]}}"#;
    let disabled = fault(403, disabled);
    assert_eq!(disabled.name, "SERVICE_DISABLED", "the more exact name");
    assert!(
        disabled
            .cure
            .unwrap_or_default()
            .contains("aiplatform.googleapis.com"),
        "its cure"
    );
}

#[test]
fn an_error_in_an_array_is_read() {
    let body = format!("[{}\n]", google(404, "NOT_FOUND"));
    assert_eq!(fault(404, &body).status, 404, "as for streamed requests");
}

#[test]
fn an_error_in_the_apis_own_shape_passes() {
    let body = r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"},"request_id":"req_vrtx_1"}"#;
    let fault = fault(529, body);
    assert_eq!(
        (fault.status, fault.kind, fault.message.as_str()),
        (529, ErrorType::Overloaded, "busy"),
        "as it is"
    );
}

#[test]
fn an_answer_that_says_nothing_has_a_message_all_the_same() {
    let fault = fault(404, "<!DOCTYPE html>");
    assert_eq!(
        (fault.status, fault.message.as_str()),
        (404, "Vertex AI gave no reason"),
        "by status"
    );
    assert!(
        fault.cure.is_some(),
        "a page of Google's front end means a wrong location"
    );
}
