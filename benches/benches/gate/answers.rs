//! The upstream's answers. The load compares what it gets with them.

pub(crate) use witgate_benches::answers::events;

/// The text before an event's stamp.
pub(crate) const STAMP: &[u8] = b"{\"at\":\"";

/// Digits of a stamp.
pub(crate) const DIGITS: usize = 20;

/// Returns the JSON answer, of about 1 KB.
pub(crate) fn json() -> Vec<u8> {
    let text = "word ".repeat(140);
    format!(
        r#"{{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":500,"output_tokens":300,"cache_creation_input_tokens":0,"cache_read_input_tokens":0}}}}"#
    )
    .into_bytes()
}

/// Returns the events of a streamed answer, each with an empty stamp.
pub(crate) fn stamped(deltas: usize) -> Vec<Vec<u8>> {
    let mut events = events(deltas);
    for event in &mut events {
        let data = memchr::memchr(b'{', event).expect("an object");
        let stamp = [STAMP, &[b'0'; DIGITS], b"\","].concat();
        event.splice(data..=data, stamp);
    }
    events
}

/// Returns the place of an event's stamp.
pub(crate) fn stamp(event: &mut [u8]) -> &mut [u8] {
    let found = memchr::memmem::find(event, STAMP).expect("a stamp");
    &mut event[found + STAMP.len()..][..DIGITS]
}
