//! The upstream's answers. The load compares what it gets with them.

pub(crate) use witgate_benches::answers::events;

/// Returns the JSON answer, of about 1 KB.
pub(crate) fn json() -> Vec<u8> {
    let text = "word ".repeat(140);
    format!(
        r#"{{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":500,"output_tokens":300,"cache_creation_input_tokens":0,"cache_read_input_tokens":0}}}}"#
    )
    .into_bytes()
}
