//! Tests of requests.

use std::collections::BTreeMap;

use super::*;
use crate::OnRefused;
use crate::model::Geography;

type Lines = [(&'static str, &'static str)];

fn translated(asked: Asked, body: &str, lines: &Lines) -> Result<Request, Untranslatable> {
    let head = Head::scan(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let header = |name: &str| {
        let name = name.to_owned();
        let lines = lines.iter().filter(move |(other, _)| *other == name);
        lines.map(|(_, value)| *value).collect::<Vec<_>>()
    };
    let models = Models::new(Geography::Us, BTreeMap::new());
    translate(
        asked,
        &head,
        header,
        &models,
        &Policy::new(OnRefused::Strip),
    )
}

fn sent(request: &Request) -> String {
    String::from_utf8(request.body.concat()).unwrap()
}

#[test]
fn the_model_and_streaming_move_into_the_path() {
    let body = r#"{"model":"claude-opus-5", "max_tokens": 1,"stream":true,"messages":[] }"#;
    let request = translated(Asked::Messages, body, &[]).unwrap();
    assert_eq!(
        request.operation,
        Operation::InvokeStream,
        "by the operation"
    );
    assert_eq!(
        request.path, "/model/us.anthropic.claude-opus-5/invoke-with-response-stream",
        "by the path"
    );
    assert_eq!(
        sent(&request),
        r#"{ "max_tokens": 1,"messages":[],"anthropic_version":"bedrock-2023-05-31" }"#,
        "all other bytes stay"
    );
    let plain = translated(Asked::Messages, r#"{"model":"claude-opus-5"}"#, &[]).unwrap();
    assert_eq!(
        plain.path, "/model/us.anthropic.claude-opus-5/invoke",
        "without streaming"
    );
    assert_eq!(
        sent(&plain),
        r#"{"anthropic_version":"bedrock-2023-05-31"}"#,
        "an empty rest"
    );
}

#[test]
fn betas_of_the_header_join_those_of_the_body() {
    let body = r#"{"model":"claude-opus-5","anthropic_beta":["context-1m-2025-08-07"],"anthropic_version":"bedrock-2023-05-31"}"#;
    let lines = [
        (
            "anthropic-beta",
            "interleaved-thinking-2025-05-14 ,context-1m-2025-08-07",
        ),
        ("anthropic-beta", "files-api-2025-04-14"),
    ];
    let request = translated(Asked::Messages, body, &lines).unwrap();
    assert_eq!(
        sent(&request),
        r#"{"anthropic_beta":["context-1m-2025-08-07","interleaved-thinking-2025-05-14"],"anthropic_version":"bedrock-2023-05-31"}"#,
        "each once, without what Bedrock refuses, and the version as it was"
    );
    assert_eq!(request.removed, ["files-api-2025-04-14"], "for the record");
    let only = r#"{"model":"claude-opus-5","anthropic_beta":["files-api-2025-04-14"]}"#;
    let request = translated(Asked::Messages, only, &[]).unwrap();
    assert!(!sent(&request).contains("anthropic_beta"), "none is left");
    let bad = translated(
        Asked::Messages,
        r#"{"model":"claude-opus-5","anthropic_beta":"x"}"#,
        &[],
    );
    assert!(
        matches!(bad, Err(Untranslatable::BadBetas)),
        "no list: {bad:?}"
    );
}

#[test]
fn betas_that_are_there_already_keep_their_bytes() {
    let body = r#"{"model":"claude-opus-5","anthropic_beta":[ "context-1m-2025-08-07" ]}"#;
    let lines = [("anthropic-beta", "context-1m-2025-08-07")];
    let request = translated(Asked::Messages, body, &lines).unwrap();
    assert!(
        sent(&request).contains(r#"[ "context-1m-2025-08-07" ]"#),
        "the list is not written anew: {}",
        sent(&request)
    );
    let twice = [(
        "anthropic-beta",
        "files-api-2025-04-14,files-api-2025-04-14",
    )];
    let request = translated(Asked::Messages, r#"{"model":"claude-opus-5"}"#, &twice).unwrap();
    assert_eq!(
        request.removed,
        ["files-api-2025-04-14"],
        "a name is recorded once"
    );
}

#[test]
fn a_count_carries_the_body_of_an_invocation() {
    use base64::Engine as _;

    let body = r#"{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"hi"}]}"#;
    let lines = [("anthropic-beta", "token-counting-2024-11-01")];
    let request = translated(Asked::CountTokens, body, &lines).unwrap();
    assert_eq!(
        request.path, "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens",
        "with the foundation model, as a profile is refused"
    );
    let outer: serde_json::Value = serde_json::from_str(&sent(&request)).unwrap();
    let inner = outer["input"]["invokeModel"]["body"].as_str().unwrap();
    let inner = base64::engine::general_purpose::STANDARD
        .decode(inner)
        .unwrap();
    assert_eq!(
        String::from_utf8(inner).unwrap(),
        r#"{"messages":[{"role":"user","content":"hi"}],"anthropic_version":"bedrock-2023-05-31","max_tokens":1}"#,
        "the invocation, which needs a `max_tokens`"
    );
}

#[test]
fn an_answer_to_a_count_gets_the_apis_name() {
    assert_eq!(
        count_answer(br#"{"inputTokens": 12}"#).unwrap(),
        r#"{"input_tokens":12}"#,
        "renamed"
    );
    let refused = count_answer(b"{}").unwrap_err().to_string();
    assert!(refused.contains("inputTokens"), "{refused}");
}

#[test]
fn a_user_profile_moves_into_the_body() {
    let lines = [("anthropic-user-profile-id", "up_\"1")];
    let request = translated(Asked::Messages, r#"{"model":"claude-opus-5"}"#, &lines).unwrap();
    assert!(
        sent(&request).contains(r#""user_profile_id":"up_\"1""#),
        "{}",
        sent(&request)
    );
    let own = r#"{"model":"claude-opus-5","user_profile_id":"own"}"#;
    let request = translated(Asked::Messages, own, &lines).unwrap();
    assert!(
        sent(&request).contains(r#""user_profile_id":"own""#),
        "the body's own wins"
    );
}

#[test]
fn a_request_without_a_known_model_is_not_sent() {
    let none = translated(Asked::Messages, r#"{"max_tokens":1}"#, &[]).unwrap_err();
    assert!(none.to_string().contains("no `model`"), "{none}");
    let other = translated(Asked::Messages, r#"{"model":"gpt"}"#, &[]).unwrap_err();
    assert!(other.to_string().contains("`gpt`"), "{other}");
}

#[test]
fn headers_of_the_api_and_credentials_stay_behind() {
    for name in [
        "anthropic-version",
        "anthropic-beta",
        "x-api-key",
        "authorization",
        "x-amz-date",
        "x-amzn-bedrock-guardrailidentifier",
        "host",
    ] {
        assert!(!passes(name), "{name}");
    }
    assert!(
        passes("user-agent") && passes("x-stainless-lang"),
        "others pass"
    );
}
