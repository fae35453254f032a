//! Streams.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use witgate_bedrock::Decoder;
use witgate_messages::sse::{Frame, Framer};

use super::json;

/// Returns the names and data of the events in a stream that comes in chunks of this size, and the decoder.
fn events(stream: &[u8], size: usize) -> (Vec<(String, String)>, Decoder) {
    let (mut decoder, mut out) = (Decoder::new(), Vec::new());
    for chunk in stream.chunks(size) {
        decoder.push(chunk, &mut out).unwrap();
    }
    decoder.end().unwrap();
    let mut events = Vec::new();
    Framer::new().feed(&out, |frame| {
        let Frame::Event(event) = frame else {
            panic!("an event: {frame:?}");
        };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        events.push((text(event.name), text(event.data)));
    });
    (events, decoder)
}

fn fixture(name: &str) -> (Vec<u8>, Vec<(String, String)>) {
    let fixture = json("streams.json");
    let stream = STANDARD
        .decode(fixture[name]["bytes"].as_str().unwrap())
        .unwrap();
    let events = serde_json::from_value(fixture[name]["events"].clone()).unwrap();
    (stream, events)
}

#[test]
fn events_are_those_of_anthropics_sdk_byte_for_byte_but_for_bedrocks_figures() {
    let (stream, mut theirs) = fixture("whole");
    for (_, data) in &mut theirs {
        if let Some((before, _)) = data.split_once(r#","amazon-bedrock-invocationMetrics""#) {
            *data = format!("{before}}}");
        }
    }
    for size in [1, 7, 100, stream.len()] {
        let (ours, decoder) = events(&stream, size);
        assert_eq!(ours, theirs, "in chunks of {size}");
        let metrics = decoder.metrics().expect("figures");
        assert_eq!(
            (metrics.input_token_count, metrics.first_byte_latency),
            (11, Some(401)),
            "beside the events"
        );
    }
}

#[test]
fn an_exception_is_the_sdks_with_a_type_of_the_api() {
    let (stream, theirs) = fixture("throttled");
    let (ours, decoder) = events(&stream, stream.len());
    assert_eq!(ours[..3], theirs[..3], "the events before it");
    let data = |events: &[(String, String)]| serde_json::from_str::<Value>(&events[3].1).unwrap();
    assert_eq!(ours[3].0, theirs[3].0, "an error");
    assert_eq!(
        data(&ours)["error"]["message"],
        data(&theirs)["error"]["message"],
        "Bedrock's message"
    );
    assert_eq!(
        data(&theirs)["error"]["type"],
        "throttlingException",
        "the SDK's type"
    );
    assert_eq!(
        data(&ours)["error"]["type"],
        "rate_limit_error",
        "the API's type"
    );
    assert_eq!(
        decoder.fault().expect("a fault").name,
        "ThrottlingException",
        "its name is kept"
    );
}
