//! Tests of errors.

use super::*;

fn named(status: u16, name: &str) -> (u16, String, Option<&'static str>) {
    let fault = Fault::of_answer(status, Some(name), br#"{"message":"m"}"#);
    assert_eq!(fault.message, "m", "Bedrock's message stays");
    (
        fault.status,
        fault.kind.to_string(),
        fault.reason.map(Reason::code),
    )
}

#[test]
fn each_error_of_bedrock_becomes_the_apis() {
    let rows = [
        (
            400,
            "ValidationException",
            400,
            "invalid_request_error",
            None,
        ),
        (403, "AccessDeniedException", 403, "permission_error", None),
        (
            404,
            "ResourceNotFoundException",
            404,
            "not_found_error",
            None,
        ),
        (
            429,
            "ThrottlingException",
            429,
            "rate_limit_error",
            Some("throttled"),
        ),
        (
            400,
            "ServiceQuotaExceededException",
            429,
            "rate_limit_error",
            Some("quota"),
        ),
        (
            429,
            "ModelNotReadyException",
            529,
            "overloaded_error",
            Some("not-ready"),
        ),
        (
            503,
            "ServiceUnavailableException",
            529,
            "overloaded_error",
            Some("unavailable"),
        ),
        (
            408,
            "ModelTimeoutException",
            504,
            "timeout_error",
            Some("timeout"),
        ),
        (
            500,
            "InternalServerException",
            500,
            "api_error",
            Some("internal"),
        ),
        (
            424,
            "ModelErrorException",
            500,
            "api_error",
            Some("internal"),
        ),
        (
            403,
            "ExpiredTokenException",
            401,
            "authentication_error",
            Some("credential"),
        ),
        (
            403,
            "InvalidSignatureException",
            401,
            "authentication_error",
            Some("credential"),
        ),
        (
            403,
            "UnrecognizedClientException",
            401,
            "authentication_error",
            Some("credential"),
        ),
        (418, "NewException", 418, "invalid_request_error", None),
        (502, "NewException", 502, "api_error", Some("internal")),
    ];
    for (given, name, status, kind, reason) in rows {
        assert_eq!(
            named(given, name),
            (status, kind.to_owned(), reason),
            "{name}"
        );
    }
}

#[test]
fn a_name_is_found_wherever_it_stands() {
    let of = |header, body: &str| Fault::of_answer(400, header, body.as_bytes()).name;
    let address = "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/";
    assert_eq!(
        of(Some(address), "{}"),
        "ThrottlingException",
        "in a header with an address"
    );
    let namespace = r#"{"__type":"com.amazon.coral.service#ExpiredTokenException","Message":"m"}"#;
    assert_eq!(
        of(None, namespace),
        "ExpiredTokenException",
        "in a body with a namespace"
    );
}

#[test]
fn an_error_in_the_apis_own_shape_passes() {
    let body = br#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#;
    let fault = Fault::of_answer(529, None, body);
    assert_eq!(
        (fault.kind, fault.message.as_str()),
        (ErrorType::Overloaded, "busy"),
        "as it is"
    );
}

#[test]
fn an_answer_that_says_nothing_has_a_message_all_the_same() {
    let fault = Fault::of_answer(502, None, b"<html>");
    assert_eq!(fault.status, 502, "by its status");
    let body = String::from_utf8(fault.body(Some("req_1")).to_vec()).unwrap();
    assert_eq!(
        body,
        r#"{"type":"error","error":{"type":"api_error","message":"Amazon Bedrock gave no reason"},"request_id":"req_1"}"#,
        "in the API's shape"
    );
}

#[test]
fn an_exception_of_a_stream_means_the_same_as_in_an_answer() {
    let fault = Fault::of_exception("throttlingException", br#"{"message":"slow down"}"#);
    assert_eq!(fault.name, "ThrottlingException", "spelled as in answers");
    assert_eq!(
        String::from_utf8(fault.sse_event(None).to_vec()).unwrap(),
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"slow down\"}}\n\n",
        "an event of the API"
    );
    let fault = Fault::of_exception(
        "modelStreamErrorException",
        br#"{"originalStatusCode":500,"originalMessage":"o"}"#,
    );
    assert_eq!(
        fault.message, "o",
        "the model's own message, if there is no other"
    );
}
