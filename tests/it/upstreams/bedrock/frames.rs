//! Streams as Bedrock sends them, encoded by AWS's own crate.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use serde_json::Value;

use crate::harness::{Answer, Events};

/// The figures of Bedrock in the last event of a stream.
pub(super) const METRICS: &str = r#""amazon-bedrock-invocationMetrics":{"inputTokenCount":25,"outputTokenCount":2,"invocationLatency":1500,"firstByteLatency":300}"#;

/// Returns the frames of the events, the last one with Bedrock's figures. Pings are no events of Bedrock's.
pub(super) fn of(events: &Events) -> Vec<Vec<u8>> {
    let data = events.frames().iter().map(|frame| {
        let text = String::from_utf8(frame.clone()).expect("an event is text");
        let data = text.lines().find_map(|line| line.strip_prefix("data: "));
        data.expect("an event has data").to_owned()
    });
    data.map(|data| {
        let event: Value = serde_json::from_str(&data).expect("data is JSON");
        match event["type"].as_str() {
            Some("message_stop") => {
                let open = data.strip_suffix('}').expect("an object");
                chunk(&format!("{open},{METRICS}}}"))
            }
            _ => chunk(&data),
        }
    })
    .collect()
}

/// Returns the frame of an event.
pub(super) fn chunk(event: &str) -> Vec<u8> {
    let payload = format!(
        r#"{{"bytes":"{}","p":"abcdefgh"}}"#,
        base64(event.as_bytes())
    );
    frame(
        &[
            (":message-type", "event"),
            (":event-type", "chunk"),
            (":content-type", "application/json"),
        ],
        &payload,
    )
}

/// Returns the frame of an exception.
pub(super) fn exception(name: &'static str, message: &str) -> Vec<u8> {
    let payload = serde_json::json!({"message": message}).to_string();
    frame(
        &[(":message-type", "exception"), (":exception-type", name)],
        &payload,
    )
}

/// Returns an answer with these frames, one chunk for each.
pub(super) fn answer(frames: &[Vec<u8>]) -> Answer {
    let headers = [
        ("content-type", "application/vnd.amazon.eventstream"),
        ("x-amzn-requestid", "0a1b2c3d-bedrock"),
    ];
    let longest = frames.iter().map(Vec::len).max().unwrap_or(1);
    Answer::chunked(&headers, frames.concat()).in_pieces_of(longest)
}

fn frame(headers: &[(&'static str, &'static str)], payload: &str) -> Vec<u8> {
    let message = Message::new(payload.to_owned());
    let message = headers.iter().fold(message, |message, (name, value)| {
        message.add_header(Header::new(*name, HeaderValue::String((*value).into())))
    });
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).expect("memory takes everything");
    bytes
}

/// Base64 with padding (RFC 4648, section 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number = group
            .iter()
            .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * place)) & 63];
            text.push(if place <= group.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}
