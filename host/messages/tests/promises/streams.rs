//! Streams as the API sends them, written out.

use serde_json::Value;

fn event(data: &str) -> String {
    let value: Value = serde_json::from_str(data).expect("events are JSON");
    format!(
        "event: {}\ndata: {data}\n\n",
        value["type"].as_str().unwrap()
    )
}

const START: &str = r#"{"type":"message_start","message":{"id":"msg_01","type":"message","role":"assistant","model":"claude-opus-5-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":3000,"cache_read_input_tokens":9000,"cache_creation":{"ephemeral_5m_input_tokens":1000,"ephemeral_1h_input_tokens":2000},"output_tokens":1,"service_tier":"standard","inference_geo":"us","speed":"fast"}}}"#;
const PING: &str = r#"{"type": "ping"}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

fn delta(index: usize, kind: &str, member: &str, text: &str) -> String {
    let text = serde_json::to_string(text).unwrap();
    event(&format!(
        r#"{{"type":"content_block_delta","index":{index},"delta":{{"type":"{kind}","{member}":{text}}}}}"#
    ))
}

fn block(index: usize, block: &str, deltas: &[String]) -> String {
    let start = event(&format!(
        r#"{{"type":"content_block_start","index":{index},"content_block":{block}}}"#
    ));
    let stop = event(&format!(
        r#"{{"type":"content_block_stop","index":{index}}}"#
    ));
    start + &deltas.concat() + &stop
}

/// Text in several languages, a ping in between.
pub(crate) fn text() -> String {
    let deltas = [
        delta(0, "text_delta", "text", "Hello"),
        event(PING),
        delta(0, "text_delta", "text", ", wörld – 你好 🎉\n"),
        delta(0, "text_delta", "text", "say \"event: error\\n\""),
    ];
    event(START)
        + &block(0, r#"{"type":"text","text":""}"#, &deltas)
        + &event(
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":42}}"#,
        )
        + &event(STOP)
}

/// Thinking, a tool call, several cumulative deltas, cache numbers that arrive late, iterations, a new event type.
pub(crate) fn agent() -> String {
    let thinking = [
        delta(0, "thinking_delta", "thinking", "Let me look at the files."),
        delta(0, "signature_delta", "signature", "EqQBCgIYAhIkM2Q="),
    ];
    let tool = [
        delta(1, "input_json_delta", "partial_json", ""),
        delta(
            1,
            "input_json_delta",
            "partial_json",
            "{\"command\": \"ls -l",
        ),
        delta(1, "input_json_delta", "partial_json", "a\"}"),
    ];
    event(START)
        + ": a comment\n\n"
        + &block(
            0,
            r#"{"type":"thinking","thinking":"","signature":""}"#,
            &thinking,
        )
        + &event(r#"{"type":"a_type_to_come","usage":{"output_tokens":999999}}"#)
        + &event(
            r#"{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":30}}"#,
        )
        + &block(
            1,
            r#"{"type":"tool_use","id":"toolu_01","name":"Bash","input":{}}"#,
            &tool,
        )
        + &event(
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"input_tokens":20,"cache_creation_input_tokens":3000,"cache_read_input_tokens":9500,"output_tokens":95,"output_tokens_details":{"thinking_tokens":17},"server_tool_use":{"web_search_requests":2,"web_fetch_requests":1},"iterations":[{"type":"compaction","input_tokens":500,"output_tokens":60},{"type":"message","input_tokens":20,"output_tokens":95,"cache_read_input_tokens":9500,"cache_creation_input_tokens":3000,"cache_creation":{"ephemeral_5m_input_tokens":1000,"ephemeral_1h_input_tokens":2000}},{"type":"advisor_message","model":"claude-fable-5-2","input_tokens":7,"output_tokens":8}]}}"#,
        )
        + &event(STOP)
}

/// Text, then an error instead of an end.
pub(crate) fn overloaded() -> String {
    let deltas = [delta(0, "text_delta", "text", "This will not en")];
    let begun = event(START)
        + &event(
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        );
    begun
        + &deltas.concat()
        + &event(r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#)
}

/// All streams, by name.
pub(crate) fn all() -> [(&'static str, String); 3] {
    [
        ("text", text()),
        ("agent", agent()),
        ("overloaded", overloaded()),
    ]
}
