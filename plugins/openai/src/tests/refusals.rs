//! Requests that the Messages API has no words for.

use super::{messages, settings, translate, translate_with, with};

#[test]
fn what_cant_be_said_is_refused_with_its_name() {
    for (members, param) in [
        (r#","n":2"#, "n"),
        (r#","seed":1"#, "seed"),
        (r#","logprobs":true"#, "logprobs"),
        (r#","top_logprobs":2"#, "top_logprobs"),
        (r#","logit_bias":{"50256":-100}"#, "logit_bias"),
        (r#","frequency_penalty":0.5"#, "frequency_penalty"),
        (r#","presence_penalty":-1"#, "presence_penalty"),
        (r#","temperature":1.5"#, "temperature"),
        (r#","temperature":1.01"#, "temperature"),
        (r#","temperature":1e1"#, "temperature"),
        (r#","store":true"#, "store"),
        (r#","metadata":{"a":"b"}"#, "metadata"),
        (r#","audio":{"voice":"alloy","format":"wav"}"#, "audio"),
        (r#","modalities":["text","audio"]"#, "modalities"),
        (
            r#","prediction":{"type":"content","content":"x"}"#,
            "prediction",
        ),
        (r#","web_search_options":{}"#, "web_search_options"),
        (r#","functions":[]"#, "functions"),
        (r#","function_call":"auto""#, "function_call"),
        (r#","prompt_cache_key":"k""#, "prompt_cache_key"),
        (r#","verbosity":"low""#, "verbosity"),
        (r#","service_tier":"flex""#, "service_tier"),
        (
            r#","response_format":{"type":"json_object"}"#,
            "response_format.type",
        ),
        (
            r#","stream_options":{"include_obfuscation":true}"#,
            "stream_options.include_obfuscation",
        ),
        (
            r#","tools":[{"type":"custom","custom":{"name":"c"}}]"#,
            "tools[0].type",
        ),
        (
            r#","tools":[{"type":"function","function":{"name":"f","x":1}}]"#,
            "tools[0].function.x",
        ),
        (
            r#","tool_choice":{"type":"allowed_tools","allowed_tools":{}}"#,
            "tool_choice.type",
        ),
        (r#","something_new":1"#, "something_new"),
    ] {
        let refused = translate(&with(members)).expect_err(members);
        assert_eq!(refused.param, param, "{members}: {}", refused.message);
        assert_eq!(refused.code, "unsupported_parameter", "{members}");
        assert!(
            refused.message.contains(param),
            "the message names it: {}",
            refused.message
        );
    }
}

#[test]
fn parts_of_messages_are_refused_with_their_place() {
    for (given, param) in [
        (
            r#"[{"role":"function","name":"f","content":"x"}]"#,
            "messages[0].role",
        ),
        (
            r#"[{"role":"user","name":"Ada","content":"x"}]"#,
            "messages[0].name",
        ),
        (
            r#"[{"role":"user","content":[{"type":"text","text":"a"},{"type":"input_audio","input_audio":{}}]}]"#,
            "messages[0].content[1].type",
        ),
        (
            r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x","detail":"low"}}]}]"#,
            "messages[0].content[0].image_url.detail",
        ),
        (
            r#"[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]"#,
            "messages[0].content[0].file.file_id",
        ),
        (
            r#"[{"role":"system","content":[{"type":"image_url","image_url":{"url":"https://x"}}]}]"#,
            "messages[0].content[0].type",
        ),
        (
            r#"[{"role":"user","content":"?"},{"role":"assistant","audio":{"id":"a"}}]"#,
            "messages[1].audio",
        ),
    ] {
        let refused = translate(&messages(given)).expect_err(given);
        assert_eq!(refused.param, param, "{given}: {}", refused.message);
        assert_eq!(refused.code, "unsupported_parameter", "{given}");
    }
}

#[test]
fn malformed_values_are_refused_with_what_is_expected() {
    for (given, param) in [
        (r#"{"messages":[]}"#.to_owned(), "model"),
        (r#"{"model":"m"}"#.to_owned(), "messages"),
        (with(r#","max_tokens":"many""#), "max_tokens"),
        (
            with(r#","max_tokens":1,"max_completion_tokens":2"#),
            "max_tokens",
        ),
        (with(r#","user":"a","safety_identifier":"b""#), "user"),
        (with(r#","stop":[1]"#), "stop"),
        (with(r#","reasoning_effort":"huge""#), "reasoning_effort"),
        (with(r#","tool_choice":"some""#), "tool_choice"),
        (
            with(r#","response_format":{"type":"json_schema"}"#),
            "response_format.json_schema",
        ),
        (messages(r#"["Hi"]"#), "messages[0]"),
        (
            messages(r#"[{"role":"user","content":7}]"#),
            "messages[0].content",
        ),
        (
            messages(r#"[{"role":"tool","content":"x"}]"#),
            "messages[0].tool_call_id",
        ),
        (
            messages(
                r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png,x"}}]}]"#,
            ),
            "messages[0].content[0].image_url.url",
        ),
        (
            messages(
                r#"[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"[1]"}}]}]"#,
            ),
            "messages[0].tool_calls[0].function.arguments",
        ),
    ] {
        let refused = translate(&given).expect_err(&given);
        assert_eq!(refused.param, param, "{given}: {}", refused.message);
        assert_eq!(refused.code, "invalid_value", "{given}");
    }
}

#[test]
fn the_operator_lets_members_be_ignored_by_their_path() {
    let settings = settings(
        r#"{"ignore": ["seed", "n", "messages.content.image_url.detail", "messages.name"]}"#,
    );
    let given = r#"{"model":"m","seed":7,"n":3,"messages":[{"role":"user","name":"Ada","content":[
        {"type":"image_url","image_url":{"url":"https://x","detail":"low"}}]}]}"#;
    let body = translate_with(&settings, given).expect("all of it is ignored");
    assert!(!body.contains("seed"), "left out: {body}");
    let refused = translate_with(&settings, r#"{"model":"m","messages":[],"logprobs":true}"#);
    let refused = refused.expect_err("not ignored");
    assert_eq!(refused.param, "logprobs", "the others are refused");
}
