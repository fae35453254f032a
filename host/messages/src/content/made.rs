//! Events that no upstream sent.

use super::{Kind, escaped};

/// Returns the end of a message, as if the model had refused to go on.
pub(super) fn refusal(explanation: &str, output_tokens: u64) -> Vec<u8> {
    let explanation = escaped(explanation);
    let data = format!(
        r#"{{"type":"message_delta","delta":{{"stop_reason":"refusal","stop_sequence":null,"stop_details":{{"type":"refusal","category":null,"explanation":"{explanation}"}}}},"usage":{{"output_tokens":{output_tokens}}}}}"#
    );
    let mut events = event("message_delta", &data);
    events.extend(event("message_stop", r#"{"type":"message_stop"}"#));
    events
}

/// Returns the end of a block.
pub(super) fn end_of_block(index: u64) -> Vec<u8> {
    let data = format!(r#"{{"type":"content_block_stop","index":{index}}}"#);
    event("content_block_stop", &data)
}

/// Returns a delta with text that the events of its block left owing.
pub(super) fn owed(block: u64, kind: Kind, text: &str) -> Vec<u8> {
    let (delta, member) = match kind {
        Kind::Thinking => ("thinking_delta", "thinking"),
        Kind::ToolInput => ("input_json_delta", "partial_json"),
        _ => ("text_delta", "text"),
    };
    let text = escaped(text);
    let data = format!(
        r#"{{"type":"content_block_delta","index":{block},"delta":{{"type":"{delta}","{member}":"{text}"}}}}"#
    );
    event("content_block_delta", &data)
}

fn event(name: &str, data: &str) -> Vec<u8> {
    [
        b"event: ",
        name.as_bytes(),
        b"\ndata: ",
        data.as_bytes(),
        b"\n\n",
    ]
    .concat()
}
