//! Errors have Anthropic's shape, whichever way they go.

use serde_json::{Value, json};
use witgate_messages::{ErrorReport, ErrorType, error};

#[test]
fn own_errors_have_the_upstreams_shape() {
    let body = error::body(&ErrorType::Overloaded, "say \"please\"\n", Some("req_7"));
    let value: Value = serde_json::from_slice(&body).unwrap();
    let wanted = json!({"type":"error","error":{"type":"overloaded_error","message":"say \"please\"\n"},"request_id":"req_7"});
    assert_eq!(value, wanted, "with an id");
    let body = error::body(&ErrorType::Api, "x", None);
    assert_eq!(
        body, r#"{"type":"error","error":{"type":"api_error","message":"x"}}"#,
        "without one, `type` first"
    );
    let event = error::sse_event(&ErrorType::Api, "a\nb", None);
    let wanted = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"a\\nb\"}}\n\n";
    assert_eq!(event, wanted, "one event on two lines");
}

#[test]
fn every_status_has_a_type_and_every_type_keeps_its_name() {
    for (status, name) in [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (409, "conflict_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ] {
        let kind = ErrorType::from_status(status);
        assert_eq!(kind.as_str(), name, "{status}");
        assert_eq!(kind.status(), status, "{name}");
        assert_eq!(ErrorType::from(name), kind, "{name} reads back");
    }
    assert_eq!(
        ErrorType::from_status(422),
        ErrorType::InvalidRequest,
        "other client errors"
    );
    assert_eq!(
        ErrorType::from_status(503),
        ErrorType::Api,
        "other server errors"
    );
    assert_eq!(
        ErrorType::from("policy_blocked"),
        ErrorType::PolicyBlocked,
        "a gateway's type"
    );
    assert_eq!(
        ErrorType::from("new_error").as_str(),
        "new_error",
        "types to come keep their name"
    );
}

#[test]
fn an_upstreams_error_is_read_and_anything_else_is_not() {
    let body = br#"{"type":"error","error":{"type":"rate_limit_error","message":"slow","details":{"error_code":"x"}}}"#;
    let report = ErrorReport::read(body).expect("an error");
    assert_eq!(
        (report.kind, report.message.as_str()),
        (ErrorType::RateLimit, "slow"),
        "type and message"
    );
    for body in [
        "",
        "<html>",
        r#"{"type":"message"}"#,
        r#"{"error":"text"}"#,
        r#"{"error":{"message":"x"}}"#,
    ] {
        assert_eq!(ErrorReport::read(body.as_bytes()), None, "{body}");
    }
}
