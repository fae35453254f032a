//! Streams, event by event.

use super::settings;
use crate::chat::stream::Stream;

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!(
            "../../../../tests/fixtures/streams/",
            $name,
            ".sse"
        ))
    };
}

/// Translates all events of a recorded stream. What the stream remembers goes through its note each time.
fn translate(recorded: &str, include_usage: bool, options: &str) -> String {
    let settings = settings(options);
    let mut note = Stream::new(include_usage).note();
    let mut all = String::new();
    for line in recorded.lines() {
        let Some(data) = line.strip_prefix("data: ") else {
            continue;
        };
        let mut stream = Stream::recall(&note);
        let done = stream.event(data, || 1_700_000_000, &settings);
        let done = done.expect("a recorded event");
        if done.is_changed {
            note = stream.note();
        } else {
            assert_eq!(
                Stream::recall(&note),
                stream,
                "it says so if it changes: {data}"
            );
        }
        all.push_str(&done.text);
    }
    all
}

/// Returns the deltas of all chunks.
fn deltas(stream: &str) -> Vec<&str> {
    let chunks = stream
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "));
    let deltas = chunks.filter_map(|chunk| Some(chunk.split_once(r#""delta":"#)?.1));
    deltas
        .map(|rest| rest.split_once(r#","logprobs""#).expect("a choice").0)
        .collect()
}

#[test]
fn a_recorded_stream_becomes_chunks() {
    let stream = translate(recorded!("tiny"), true, "{}");
    let mut events: Vec<_> = stream.split_terminator("\n\n").collect();
    assert_eq!(events.pop(), Some("data: [DONE]"), "the end");
    for event in &events {
        assert!(event.starts_with(r#"data: {"id":"#), "a chunk: {event}");
        assert!(
            event.contains(r#""object":"chat.completion.chunk","created":1700000000,"#),
            "{event}"
        );
    }
    let usage = events.pop().expect("a chunk of the usage");
    assert!(
        usage.contains(r#""choices":[],"usage":{"prompt_tokens":"#),
        "{usage}"
    );
    let last = events.last().expect("chunks");
    assert!(
        last.ends_with(r#""delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}"#),
        "{last}"
    );
    let first = events.first().expect("chunks");
    assert!(
        first.contains(r#""delta":{"role":"assistant","content":"","refusal":null}"#),
        "{first}"
    );
}

#[test]
fn without_usage_no_chunk_has_any() {
    let stream = translate(recorded!("tiny"), false, "{}");
    assert!(!stream.contains("usage"), "none: {stream}");
}

#[test]
fn calls_of_tools_count_by_themselves() {
    let stream = translate(recorded!("tools"), false, "{}");
    let expected = [
        r#"{"role":"assistant","content":"","refusal":null}"#,
        r#"{"content":"I'll look at both files."}"#,
        r#"{"tool_calls":[{"index":0,"id":"toolu_01A","type":"function","function":{"name":"Read","arguments":""}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"file_path\": \"/a"}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":".rs\"}"}}]}"#,
        r#"{"tool_calls":[{"index":1,"id":"toolu_01B","type":"function","function":{"name":"Read","arguments":""}}]}"#,
        r#"{"tool_calls":[{"index":1,"function":{"arguments":"{\"file_path\": \"/b \\\"q\\\".rs\"}"}}]}"#,
        "{}",
    ];
    assert_eq!(
        deltas(&stream),
        expected,
        "each piece under the index of its call"
    );
    assert!(
        stream.contains(r#""finish_reason":"tool_calls""#),
        "the reason: {stream}"
    );
}

#[test]
fn a_call_without_arguments_has_an_empty_object() {
    let recorded = r#"data: {"type":"message_start","message":{"id":"m","model":"m"}}
data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}
data: {"type":"content_block_stop","index":0}"#;
    let stream = translate(recorded, false, "{}");
    assert_eq!(
        deltas(&stream).last(),
        Some(&r#"{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}"#),
        "clients parse it"
    );
}

#[test]
fn tools_of_the_provider_are_no_calls() {
    let stream = translate(recorded!("server_tools"), false, "{}");
    assert!(!stream.contains("tool_calls"), "none: {stream}");
}

#[test]
fn thinking_is_told_if_the_operator_says_so() {
    let silent = translate(recorded!("thinking"), false, "{}");
    assert!(!silent.contains("12231."), "left out: {silent}");
    let telling = translate(
        recorded!("thinking"),
        false,
        r#"{"reasoning_content": true}"#,
    );
    assert!(
        telling.contains(r#"{"reasoning_content":" That is\n12231."}"#),
        "told: {telling}"
    );
}

#[test]
fn a_refusal_and_its_reason_end_a_stream() {
    let stream = translate(recorded!("refusal"), false, "{}");
    assert!(
        stream.contains(
            r#""delta":{"refusal":"No."},"logprobs":null,"finish_reason":"content_filter""#
        ),
        "{stream}"
    );
}

#[test]
fn an_error_is_told_in_openais_shape_and_ends_the_stream() {
    let stream = translate(recorded!("error_after"), true, "{}");
    let expected = r#"data: {"error":{"message":"Internal server error","type":"server_error","param":null,"code":"api_error"}}"#;
    assert_eq!(
        stream.trim_end().split("\n\n").last(),
        Some(expected),
        "no [DONE]: {stream}"
    );
}

#[test]
fn the_usage_is_the_last_that_was_told() {
    let stream = translate(recorded!("cache_late"), true, "{}");
    let usage = stream
        .split("\n\n")
        .find(|event| event.contains(r#""choices":[]"#))
        .expect("usage");
    assert!(usage.contains(r#""cached_tokens":"#), "{usage}");
    assert!(!usage.contains(r#""prompt_tokens":0,"#), "{usage}");
}

#[test]
fn a_ping_is_a_comment_and_unknown_events_say_nothing() {
    let settings = settings("{}");
    let mut stream = Stream::new(false);
    let ping = stream
        .event(r#"{"type":"ping"}"#, || 0, &settings)
        .expect("JSON");
    assert_eq!(ping.text, ": ping\n\n", "it keeps the connection");
    let other = stream
        .event(r#"{"type":"new_thing"}"#, || 0, &settings)
        .expect("JSON");
    assert_eq!(other.text, "", "nothing");
    stream.event("{", || 0, &settings).expect_err("no JSON");
}

#[test]
fn all_recorded_streams_have_a_translation() {
    for recorded in [
        recorded!("advisor"),
        recorded!("compaction"),
        recorded!("fallback"),
        recorded!("huge"),
        recorded!("two_deltas"),
        recorded!("unicode"),
        recorded!("unknown"),
        recorded!("web_search"),
    ] {
        let stream = translate(recorded, true, "{}");
        assert!(stream.ends_with("data: [DONE]\n\n"), "its end: {stream}");
    }
}
