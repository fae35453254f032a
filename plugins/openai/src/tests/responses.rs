//! Responses: requests, answers and streams.

use witgate_plugin::{json, testing};

use super::settings;
use crate::refused::Refused;
use crate::responses;

fn translate(body: &str) -> Result<String, Refused> {
    let parsed = json::parse(body).expect("JSON");
    responses::request::translate(&parsed, body.len(), &settings("{}"))
}

/// Translates all events of a recorded stream.
fn stream(recorded: &str) -> String {
    testing::forget_notes();
    let data = recorded
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let events = data.map(|data| responses::stream::event(data, || 1_700_000_000));
    events.collect::<Result<_, _>>().expect("recorded events")
}

#[test]
fn a_text_and_options_become_a_message() {
    let given = r#"{"model":"m","input":"Hi","instructions":"Be kind.","max_output_tokens":9,"stream":true,"temperature":0.5,
        "reasoning":{"effort":"high","summary":null},"text":{"format":{"type":"json_schema","name":"n","strict":true,"schema":{"type":"object"}}},
        "store":false,"truncation":"disabled","include":[],"metadata":{},"user":"u"}"#;
    let expected = r#"{"model":"m","max_tokens":9,"stream":true,"temperature":0.5,"metadata":{"user_id":"u"},"thinking":{"type":"adaptive"},"output_config":{"effort":"high","format":{"type":"json_schema","schema":{"type":"object"}}},"system":[{"type":"text","text":"Be kind."}],"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]}"#;
    assert_eq!(
        translate(given).as_deref(),
        Ok(expected),
        "the whole request"
    );
}

#[test]
fn items_of_one_side_in_a_row_are_one_message() {
    let given = r#"{"model":"m","max_output_tokens":1,"input":[
        {"role":"developer","content":"A"},
        {"type":"message","role":"user","content":[{"type":"input_text","text":"B"},{"type":"input_image","detail":"auto","image_url":"https://x"}]},
        {"type":"message","id":"msg_1_0","status":"completed","role":"assistant","content":[{"type":"output_text","text":"C","annotations":[],"logprobs":[]}]},
        {"type":"function_call","id":"fc_a","status":"completed","call_id":"a","name":"f","arguments":"{\"x\":1}"},
        {"type":"function_call","call_id":"b","name":"g","arguments":""},
        {"type":"function_call_output","call_id":"a","output":"one"},
        {"type":"function_call_output","call_id":"b","output":[{"type":"input_text","text":"two"}]},
        {"role":"user","content":"D"}],
        "tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":true}],
        "tool_choice":{"type":"function","name":"f"},"parallel_tool_calls":false}"#;
    let expected = r#"{"model":"m","max_tokens":1,"tools":[{"name":"f","description":"d","input_schema":{"type":"object"},"strict":true}],"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true},"system":[{"type":"text","text":"A"}],"messages":[{"role":"user","content":[{"type":"text","text":"B"},{"type":"image","source":{"type":"url","url":"https://x"}}]},{"role":"assistant","content":[{"type":"text","text":"C"},{"type":"tool_use","id":"a","name":"f","input":{"x":1}},{"type":"tool_use","id":"b","name":"g","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"one"}]},{"type":"tool_result","tool_use_id":"b","content":[{"type":"text","text":"two"}]},{"type":"text","text":"D"}]}]}"#;
    assert_eq!(translate(given).as_deref(), Ok(expected), "grouped");
}

#[test]
fn what_cant_be_said_in_a_response_is_refused_with_its_name() {
    for (members, param) in [
        (r#","store":true"#, "store"),
        (r#","background":true"#, "background"),
        (
            r#","previous_response_id":"resp_1""#,
            "previous_response_id",
        ),
        (r#","conversation":"conv_1""#, "conversation"),
        (r#","truncation":"auto""#, "truncation"),
        (r#","include":["reasoning.encrypted_content"]"#, "include"),
        (r#","max_tool_calls":3"#, "max_tool_calls"),
        (r#","prompt":{"id":"p"}"#, "prompt"),
        (r#","reasoning":{"summary":"auto"}"#, "reasoning.summary"),
        (
            r#","text":{"format":{"type":"json_object"}}"#,
            "text.format.type",
        ),
        (r#","tools":[{"type":"web_search"}]"#, "tools[0].type"),
        (
            r#","tool_choice":{"type":"allowed_tools"}"#,
            "tool_choice.type",
        ),
    ] {
        let refused = translate(&format!(r#"{{"model":"m","input":"Hi"{members}}}"#));
        let refused = refused.expect_err(members);
        assert_eq!(refused.param, param, "{members}: {}", refused.message);
    }
    let item = translate(r#"{"model":"m","input":[{"type":"reasoning","id":"r","summary":[]}]}"#);
    assert_eq!(item.expect_err("a type").param, "input[0].type", "an item");
}

#[test]
fn a_message_becomes_a_response() {
    let given = r#"{"id":"msg_1","model":"m","content":[{"type":"thinking","thinking":"Hm","signature":"s"},{"type":"text","text":"Hi"},
        {"type":"tool_use","id":"a","name":"f","input":{"x":1}}],"stop_reason":"tool_use","usage":{"input_tokens":3,"output_tokens":2}}"#;
    let given = json::parse(given).expect("JSON");
    let answer = responses::answer::translate(&given, 1_700_000_000);
    let expected = concat!(
        r#"{"id":"resp_msg_1","object":"response","created_at":1700000000,"status":"completed","error":null,"incomplete_details":null,"model":"m","output":["#,
        r#"{"id":"msg_1_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[],"logprobs":[]}]},"#,
        r#"{"id":"fc_a","type":"function_call","status":"completed","call_id":"a","name":"f","arguments":"{\"x\":1}"}],"#,
    );
    assert!(answer.starts_with(expected), "{answer}");
    assert!(answer.contains(r#""usage":{"input_tokens":3,"#), "{answer}");
}

#[test]
fn an_answer_that_is_cut_is_incomplete() {
    for (stop, status) in [
        ("end_turn", r#""status":"completed""#),
        (
            "max_tokens",
            r#""incomplete_details":{"reason":"max_output_tokens"}"#,
        ),
        (
            "refusal",
            r#""incomplete_details":{"reason":"content_filter"}"#,
        ),
    ] {
        let given = format!(r#"{{"id":"i","content":[],"stop_reason":"{stop}"}}"#);
        let given = json::parse(&given).expect("JSON");
        let answer = responses::answer::translate(&given, 0);
        assert!(answer.contains(status), "{stop}: {answer}");
    }
}

#[test]
fn a_recorded_stream_becomes_numbered_events_and_ends_with_the_whole_response() {
    let stream = stream(include_str!("../../../../tests/fixtures/streams/tools.sse"));
    let events: Vec<_> = stream.split_terminator("\n\n").collect();
    let names: Vec<_> = events
        .iter()
        .filter_map(|event| event.lines().next()?.strip_prefix("event: response."))
        .collect();
    assert_eq!(
        names,
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
        ],
        "in order"
    );
    for (number, event) in events.iter().enumerate() {
        assert!(
            event.contains(&format!(r#""sequence_number":{number},"#)),
            "numbered: {event}"
        );
    }
    let last = events.last().expect("events");
    for item in [
        r#""content":[{"type":"output_text","text":"I'll look at both files.","#,
        r#""call_id":"toolu_01A","name":"Read","arguments":"{\"file_path\": \"/a.rs\"}"}"#,
        r#""call_id":"toolu_01B","name":"Read","arguments":"{\"file_path\": \"/b \\\"q\\\".rs\"}"}"#,
        r#""output_tokens":97"#,
    ] {
        assert!(last.contains(item), "{item} in {last}");
    }
}

#[test]
fn an_error_in_a_stream_is_an_error_event() {
    let stream = stream(include_str!(
        "../../../../tests/fixtures/streams/error_after.sse"
    ));
    let last = stream.trim_end().split("\n\n").last().expect("events");
    assert!(
        last.starts_with("event: error\ndata: {\"type\":\"error\",\"sequence_number\":5,"),
        "{last}"
    );
    assert!(
        last.contains(r#""message":"Internal server error","param":null,"code":"api_error""#),
        "{last}"
    );
}

#[test]
fn all_recorded_streams_have_an_end() {
    for recorded in [
        include_str!("../../../../tests/fixtures/streams/thinking.sse"),
        include_str!("../../../../tests/fixtures/streams/unicode.sse"),
        include_str!("../../../../tests/fixtures/streams/unknown.sse"),
        include_str!("../../../../tests/fixtures/streams/web_search.sse"),
        include_str!("../../../../tests/fixtures/streams/refusal.sse"),
    ] {
        let stream = stream(recorded);
        let last = stream.trim_end().split("\n\n").last().expect("events");
        let ends = ["event: response.completed", "event: response.incomplete"];
        assert!(ends.iter().any(|end| last.starts_with(end)), "{last}");
        let data = last.split_once("data: ").expect("data").1;
        json::parse(data).expect("JSON");
    }
}
