//! The plugin as the host calls it.

use witgate_plugin::testing::{self, RequestBuilder};
use witgate_plugin::types::Response;
use witgate_plugin::{Plugin as _, Translate as _};

use super::with;
use crate::OpenAiPlugin;

fn plugin(settings: &str) -> OpenAiPlugin {
    testing::forget_notes();
    testing::set_clock(1_700_000_000_000);
    testing::configure(settings).expect("settings")
}

#[test]
fn it_claims_its_paths_under_each_base() {
    let plugin = plugin(r#"{"bases": ["/v1/"]}"#);
    let dialect = plugin.dialect().expect("a dialect");
    let claims = dialect.claims.iter().map(|claim| {
        let except = claim.except_headers.join(",");
        format!("{} {} {except}", claim.method, claim.path)
    });
    assert_eq!(
        claims.collect::<Vec<_>>(),
        [
            "POST /v1/chat/completions ",
            "POST /v1/responses ",
            "GET /v1/models anthropic-version",
            "GET /v1/models/* anthropic-version",
        ],
        "models only of clients that are not the API's own"
    );
}

#[test]
fn a_base_with_a_star_is_a_problem() {
    let problems =
        testing::configure::<OpenAiPlugin>(r#"{"bases": ["/v1", "v2"], "max_tokens": 0}"#);
    let problems = problems.expect_err("two problems").to_string();
    assert!(
        problems.contains("bases[1]") && problems.contains("max_tokens"),
        "both: {problems}"
    );
}

#[test]
fn a_refusal_reaches_the_client_with_the_member_and_its_code() {
    let plugin = plugin("{}");
    let request = RequestBuilder::messages()
        .endpoint("other", "/v1/chat/completions")
        .build();
    let refusal = plugin
        .request(&request, &with(r#","seed":1"#))
        .expect_err("a seed");
    assert_eq!(refusal.status, 400, "the client's mistake");
    let body = format!(
        r#"{{"type":"error","error":{{"type":"invalid_request_error","message":"{}"}}}}"#,
        refusal.message
    );
    let answer = plugin.answer(Response::json(400, body));
    assert!(
        answer.body.contains(
            r#""type":"invalid_request_error","param":"seed","code":"unsupported_parameter""#
        ),
        "{}",
        answer.body
    );
}

#[test]
fn an_error_before_the_request_is_translated_too() {
    let body =
        r#"{"type":"error","error":{"type":"authentication_error","message":"no such key"}}"#;
    let answer = plugin("{}").answer(Response::json(401, body));
    let expected = r#"{"error":{"message":"no such key","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (401, expected),
        "in OpenAI's shape"
    );
}

#[test]
fn a_conversation_goes_there_and_back() {
    let plugin = plugin("{}");
    let request = RequestBuilder::messages()
        .endpoint("other", "/v1/chat/completions?x=1")
        .build();
    let asked = plugin.request(
        &request,
        &with(r#","stream_options":{"include_usage":true},"stream":true"#),
    );
    let asked = asked.expect("a request");
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("POST", "/v1/messages"),
        "the API"
    );
    assert_eq!(
        asked.headers,
        [("anthropic-version".to_owned(), "2023-06-01".to_owned())],
        "its version"
    );
    let events = [
        r#"{"type":"message_start","message":{"id":"msg_1","model":"m","usage":{"input_tokens":3,"output_tokens":1}}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let stream: String = events.iter().map(|data| plugin.event(data)).collect();
    assert!(
        stream.contains(r#""created":1700000000,"#),
        "the time: {stream}"
    );
    assert!(
        stream.contains(r#""usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"#),
        "{stream}"
    );
    let whole = r#"{"id":"msg_1","model":"m","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn"}"#;
    let answer = plugin.answer(Response::json(200, whole));
    assert!(
        answer.body.contains(r#""object":"chat.completion""#),
        "{}",
        answer.body
    );
}

#[test]
fn a_model_is_asked_for_by_the_operators_name() {
    let plugin = plugin(r#"{"models": {"gpt-5": "claude-opus-5-5"}}"#);
    let request = RequestBuilder::messages()
        .endpoint("other", "/v1/models/gpt-5")
        .method("GET")
        .build();
    let asked = plugin.request(&request, "").expect("a request");
    assert_eq!(asked.path, "/v1/models/claude-opus-5-5", "its model");
    let answer = plugin.answer(Response::json(
        200,
        r#"{"id":"claude-opus-5-5","created_at":"1970-01-02T00:00:00Z"}"#,
    ));
    let expected = r#"{"id":"gpt-5","object":"model","created":86400,"owned_by":"anthropic"}"#;
    assert_eq!(answer.body, expected, "under the name that was asked");
}
