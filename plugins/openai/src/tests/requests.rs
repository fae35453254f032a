//! Requests that the Messages API can be asked for.

use super::{messages, settings, translate, translate_with, with};

#[test]
fn a_plain_request_has_the_settings_most_tokens() {
    let expected = r#"{"model":"claude-sonnet-5-5","max_tokens":8192,"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]}"#;
    assert_eq!(translate(&with("")).as_deref(), Ok(expected), "as it is");
}

#[test]
fn a_name_of_the_operators_becomes_its_model() {
    let settings = settings(r#"{"models": {"gpt-5": "claude-opus-5-5"}}"#);
    let body = translate_with(&settings, r#"{"model":"gpt-5","messages":[]}"#);
    assert_eq!(
        body.as_deref(),
        Ok(r#"{"model":"claude-opus-5-5","max_tokens":8192,"messages":[]}"#),
        "the model of the settings"
    );
}

#[test]
fn options_become_those_of_the_messages_api() {
    for (given, expected) in [
        (r#","max_tokens":7"#, r#""max_tokens":7,"#),
        (
            r#","max_completion_tokens":9,"max_tokens":null"#,
            r#""max_tokens":9,"#,
        ),
        (r#","stream":true"#, r#""stream":true,"#),
        (r#","stop":"END""#, r#""stop_sequences":["END"],"#),
        (r#","stop":["a","b"]"#, r#""stop_sequences":["a","b"],"#),
        (r#","temperature":1.0"#, r#""temperature":1.0,"#),
        (r#","temperature":0"#, r#""temperature":0,"#),
        (
            r#","temperature":0.7,"top_p":0.9"#,
            r#""temperature":0.7,"top_p":0.9,"#,
        ),
        (r#","user":"u-1""#, r#""metadata":{"user_id":"u-1"},"#),
        (
            r#","safety_identifier":"u-2""#,
            r#""metadata":{"user_id":"u-2"},"#,
        ),
        (
            r#","service_tier":"default""#,
            r#""service_tier":"standard_only","#,
        ),
        (
            r#","reasoning_effort":"none""#,
            r#""thinking":{"type":"disabled"},"#,
        ),
        (
            r#","reasoning_effort":"minimal""#,
            r#""thinking":{"type":"disabled"},"output_config":{"effort":"low"},"#,
        ),
        (
            r#","reasoning_effort":"high""#,
            r#""thinking":{"type":"adaptive"},"output_config":{"effort":"high"},"#,
        ),
        (
            r#","response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object"}}}"#,
            r#""output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}},"#,
        ),
    ] {
        let body = translate(&with(given)).expect(given);
        assert!(
            body.contains(expected),
            "{given} becomes {expected}: {body}"
        );
    }
}

#[test]
fn what_says_nothing_is_accepted() {
    let idle = r#","n":1,"frequency_penalty":0,"presence_penalty":0.0,"logprobs":false,"store":false,"logit_bias":{},"metadata":{},
        "verbosity":"medium","modalities":["text"],"response_format":{"type":"text"},"service_tier":"auto","parallel_tool_calls":false,
        "seed":null,"stream_options":{"include_usage":true,"include_obfuscation":false}"#;
    assert_eq!(translate(&with(idle)), translate(&with("")), "the same");
}

#[test]
fn tools_keep_their_schemas_and_the_choice_among_them() {
    let tools = r#","tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"a":{"type":"number"}}},"strict":true}},
        {"type":"function","function":{"name":"g"}}]"#;
    let expected = r#""tools":[{"name":"f","description":"d","input_schema":{"type":"object","properties":{"a":{"type":"number"}}},"strict":true},{"name":"g","input_schema":{"type":"object","properties":{}}}],"#;
    for (choice, becomes) in [
        ("", r#""messages""#),
        (
            r#","tool_choice":"auto""#,
            r#""tool_choice":{"type":"auto"},"#,
        ),
        (
            r#","tool_choice":"required""#,
            r#""tool_choice":{"type":"any"},"#,
        ),
        (
            r#","tool_choice":"none","parallel_tool_calls":false"#,
            r#""tool_choice":{"type":"none"},"#,
        ),
        (
            r#","parallel_tool_calls":false"#,
            r#""tool_choice":{"type":"auto","disable_parallel_tool_use":true},"#,
        ),
        (
            r#","tool_choice":{"type":"function","function":{"name":"g"}}"#,
            r#""tool_choice":{"type":"tool","name":"g"},"#,
        ),
    ] {
        let body = translate(&with(&format!("{tools}{choice}"))).expect(choice);
        let expected = format!("{expected}{becomes}");
        assert!(
            body.contains(&expected),
            "{choice} becomes {becomes}: {body}"
        );
    }
}

#[test]
fn the_first_words_of_system_and_developer_become_the_system_prompt() {
    let given = messages(
        r#"[{"role":"system","content":"A"},{"role":"developer","content":[{"type":"text","text":"B"}]},{"role":"user","content":"C"},{"role":"system","content":"D"}]"#,
    );
    let expected = r#"{"model":"m","max_tokens":1,"system":[{"type":"text","text":"A"},{"type":"text","text":"B"}],"messages":[{"role":"user","content":[{"type":"text","text":"C"}]},{"role":"system","content":[{"type":"text","text":"D"}]}]}"#;
    assert_eq!(
        translate(&given).as_deref(),
        Ok(expected),
        "later ones stay"
    );
}

#[test]
fn results_in_a_row_are_one_message_with_the_words_behind_them() {
    let given = messages(
        r#"[{"role":"user","content":"?"},
        {"role":"assistant","content":null,"refusal":null,"annotations":[],"tool_calls":[
            {"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1.50}"}},
            {"id":"c2","type":"function","index":1,"function":{"name":"g","arguments":""}}]},
        {"role":"tool","tool_call_id":"c1","content":"one"},
        {"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"two"}]},
        {"role":"user","content":"Well?"},
        {"role":"user","content":"Now!"}]"#,
    );
    let expected = r#""messages":[{"role":"user","content":[{"type":"text","text":"?"}]},{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"f","input":{"a":1.50}},{"type":"tool_use","id":"c2","name":"g","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":[{"type":"text","text":"one"}]},{"type":"tool_result","tool_use_id":"c2","content":[{"type":"text","text":"two"}]},{"type":"text","text":"Well?"}]},{"role":"user","content":[{"type":"text","text":"Now!"}]}]}"#;
    let body = translate(&given).expect("a conversation");
    assert!(body.ends_with(expected), "grouped: {body}");
}

#[test]
fn images_and_documents_come_as_urls_or_bytes() {
    for (part, expected) in [
        (
            r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0=","detail":"auto"}}"#,
            r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0="}}"#,
        ),
        (
            r#"{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}"#,
            r#"{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}"#,
        ),
        (
            r#"{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBE"}}"#,
            r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBE"},"title":"a.pdf"}"#,
        ),
        (
            r#"{"type":"text","text":"Hi","prompt_cache_breakpoint":{"mode":"explicit"}}"#,
            r#"{"type":"text","text":"Hi","cache_control":{"type":"ephemeral"}}"#,
        ),
    ] {
        let given = messages(&format!(r#"[{{"role":"user","content":[{part}]}}]"#));
        let body = translate(&given).expect(part);
        let expected = format!(r#""content":[{expected}]"#);
        assert!(
            body.contains(&expected),
            "{part} becomes {expected}: {body}"
        );
    }
}

#[test]
fn an_empty_text_is_no_block() {
    let given = messages(r#"[{"role":"assistant","content":"","tool_calls":[]}]"#);
    let body = translate(&given).expect("an empty answer");
    assert!(body.ends_with(r#""content":[]}]}"#), "no block: {body}");
}
