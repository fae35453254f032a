//! Whole answers, errors and lists of models.

use witgate_plugin::json;

use super::settings;
use crate::chat::answer;
use crate::errors::{Error, status};
use crate::models;
use crate::out::Out;

fn completion(message: &str, options: &str) -> String {
    let message = json::parse(message).expect("JSON");
    answer::translate(&message, 1_700_000_000, &settings(options))
}

#[test]
fn a_recorded_answer_becomes_a_chat_completion() {
    let given = include_str!("../../../../tests/fixtures/streams/answer.json");
    let expected = concat!(
        r#"{"id":"msg_01","object":"chat.completion","created":1700000000,"model":"claude-opus-5","choices":[{"index":0,"message":"#,
        r#"{"role":"assistant","content":"Hé 🎉 {\"usage\":{\"output_tokens\":1}}","refusal":null},"logprobs":null,"finish_reason":"stop"}],"#,
        r#""usage":{"prompt_tokens":12012,"completion_tokens":31,"total_tokens":12043,"prompt_tokens_details":{"cached_tokens":9000,"#,
        r#""cache_write_tokens":3000},"completion_tokens_details":{"reasoning_tokens":17}}}"#
    );
    assert_eq!(completion(given, "{}"), expected, "with all of its usage");
}

#[test]
fn calls_of_tools_are_in_order_and_their_arguments_are_text() {
    let given = r#"{"id":"msg_1","model":"m","content":[{"type":"tool_use","id":"a","name":"f","input":{"x": "\"é\"", "n": 1e3}},
        {"type":"tool_use","id":"b","name":"g","input":{}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2}}"#;
    let answer = completion(given, "{}");
    let expected = r#""content":null,"refusal":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":\"\\\"é\\\"\",\"n\":1e3}"}},{"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]},"logprobs":null,"finish_reason":"tool_calls""#;
    assert!(answer.contains(expected), "both calls: {answer}");
}

#[test]
fn each_stop_has_its_reason() {
    for (stop, reason) in [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ] {
        let answer = completion(&format!(r#"{{"content":[],"stop_reason":"{stop}"}}"#), "{}");
        let expected = format!(r#""finish_reason":"{reason}""#);
        assert!(
            answer.contains(&expected),
            "{stop} becomes {reason}: {answer}"
        );
    }
}

#[test]
fn a_refusal_says_why() {
    let given = r#"{"content":[],"stop_reason":"refusal","stop_details":{"category":"cyber","explanation":"No."}}"#;
    let answer = completion(given, "{}");
    assert!(
        answer.contains(r#""content":null,"refusal":"No.""#),
        "its explanation: {answer}"
    );
}

#[test]
fn thinking_is_told_to_clients_if_the_operator_says_so() {
    let given = r#"{"content":[{"type":"thinking","thinking":"Hm.","signature":"s"},{"type":"text","text":"Yes"}],"stop_reason":"end_turn"}"#;
    let silent = completion(given, "{}");
    assert!(
        !silent.contains("Hm."),
        "by default it is left out: {silent}"
    );
    let telling = completion(given, r#"{"reasoning_content": true}"#);
    assert!(
        telling.contains(r#""reasoning_content":"Hm.""#),
        "told: {telling}"
    );
}

#[test]
fn errors_keep_their_message_and_have_a_code() {
    for (kind, expected) in [
        (
            "authentication_error",
            r#""type":"invalid_request_error","param":null,"code":"invalid_api_key""#,
        ),
        (
            "rate_limit_error",
            r#""type":"rate_limit_error","param":null,"code":"rate_limit_exceeded""#,
        ),
        (
            "billing_error",
            r#""type":"insufficient_quota","param":null,"code":"insufficient_quota""#,
        ),
        (
            "overloaded_error",
            r#""type":"server_error","param":null,"code":"overloaded_error""#,
        ),
        (
            "not_found_error",
            r#""type":"invalid_request_error","param":null,"code":"not_found_error""#,
        ),
        (
            "policy_blocked",
            r#""type":"invalid_request_error","param":null,"code":"policy_blocked""#,
        ),
    ] {
        let body =
            format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"Say \"why\"."}}}}"#);
        let body = json::parse(&body).expect("JSON");
        let mut out = Out::default();
        Error::of(&body).write(&mut out);
        let expected = format!(r#"{{"error":{{"message":"Say \"why\".",{expected}}}}}"#);
        assert_eq!(out.finish(), expected, "{kind}");
    }
    assert_eq!((status(529), status(429)), (503, 429), "OpenAI has no 529");
}

#[test]
fn models_are_listed_with_the_operators_names_for_those_that_are_there() {
    let page = r#"{"data":[{"type":"model","id":"claude-a","display_name":"A","created_at":"2026-02-19T00:00:00Z"}],"has_more":false}"#;
    let page = json::parse(page).expect("JSON");
    let settings = settings(r#"{"models": {"gpt-5": "claude-a", "gpt-4": "claude-b"}}"#);
    let expected = r#"{"object":"list","data":[{"id":"claude-a","object":"model","created":1771459200,"owned_by":"anthropic"},{"id":"gpt-5","object":"model","created":1771459200,"owned_by":"anthropic"}]}"#;
    assert_eq!(
        models::list(&page, &settings),
        expected,
        "not the one that is missing"
    );
}
