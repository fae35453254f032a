//! Tests of streams, encoded by AWS's own crate.

use std::time::Duration;

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use proptest::prelude::*;

use super::*;

fn frame(headers: &[(&'static str, &'static str)], payload: &str) -> Vec<u8> {
    let message = headers.iter().fold(
        Message::new(payload.to_owned()),
        |message, (name, value)| {
            message.add_header(Header::new(*name, HeaderValue::String((*value).into())))
        },
    );
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

fn chunk(event: &str) -> Vec<u8> {
    let payload = format!(r#"{{"bytes":"{}","p":"abcdef"}}"#, STANDARD.encode(event));
    frame(
        &[(":message-type", "event"), (":event-type", "chunk")],
        &payload,
    )
}

fn exception(name: &'static str, payload: &str) -> Vec<u8> {
    frame(
        &[(":message-type", "exception"), (":exception-type", name)],
        payload,
    )
}

fn text(stream: &[u8]) -> (String, Result<(), BadStream>, Decoder) {
    let (mut decoder, mut out) = (Decoder::new(), Vec::new());
    let pushed = decoder.push(stream, &mut out);
    (String::from_utf8(out).unwrap(), pushed, decoder)
}

#[test]
fn a_chunk_becomes_the_apis_text_with_its_bytes() {
    let stream = chunk(r#"{"type":"content_block_delta", "index":0,"delta":{"text":"h\né"}}"#);
    let (text, pushed, _) = text(&stream);
    assert_eq!(
        text,
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\", \"index\":0,\"delta\":{\"text\":\"h\\né\"}}\n\n",
        "nothing is serialised anew"
    );
    assert_eq!(pushed, Ok(()), "without an error");
}

#[test]
fn line_ends_between_tokens_do_not_break_the_text() {
    let (text, _, _) = text(&chunk("{\n\"type\":\r\n\"ping\"}"));
    assert_eq!(
        text, "event: ping\ndata: { \"type\":  \"ping\"}\n\n",
        "one line of data"
    );
}

#[test]
fn bedrocks_figures_are_taken_out_of_the_event_and_given_beside_it() {
    let event = r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":10,"outputTokenCount":20,"invocationLatency":1500,"firstByteLatency":300,"cacheReadInputTokenCount":7,"cacheWriteInputTokenCount":8,"new":1}}"#;
    let (text, _, decoder) = text(&chunk(event));
    assert_eq!(
        text, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        "the API's event has none"
    );
    let metrics = decoder.metrics().expect("figures");
    assert_eq!(
        (metrics.input_token_count, metrics.output_token_count),
        (10, 20),
        "tokens"
    );
    assert_eq!(
        (
            metrics.cache_read_input_token_count,
            metrics.cache_write_input_token_count
        ),
        (7, 8),
        "of caches"
    );
    assert_eq!(
        metrics.total(),
        Some(Duration::from_millis(1500)),
        "the whole time"
    );
    assert_eq!(
        metrics.first_byte(),
        Some(Duration::from_millis(300)),
        "to the first byte"
    );
}

#[test]
fn each_exception_becomes_the_apis_error_and_ends_the_text() {
    let rows = [
        ("internalServerException", 500, "api_error"),
        ("modelStreamErrorException", 500, "api_error"),
        ("throttlingException", 429, "rate_limit_error"),
        ("validationException", 400, "invalid_request_error"),
        ("modelTimeoutException", 504, "timeout_error"),
        ("serviceUnavailableException", 529, "overloaded_error"),
        ("unheardOfException", 500, "api_error"),
    ];
    for (name, status, kind) in rows {
        let stream = [
            exception(name, r#"{"message":"why"}"#),
            chunk(r#"{"type":"ping"}"#),
        ]
        .concat();
        let (text, pushed, decoder) = text(&stream);
        assert_eq!(
            text,
            format!(
                "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":\"why\"}}}}\n\n"
            ),
            "{name}"
        );
        assert_eq!(pushed, Ok(()), "{name} is no error of the stream");
        assert_eq!(
            decoder.fault().map(|fault| fault.status),
            Some(status),
            "{name}"
        );
    }
}

#[test]
fn an_error_without_a_model_of_its_own_is_told_by_headers() {
    let headers = [
        (":message-type", "error"),
        (":error-code", "InternalFailure"),
        (":error-message", "gone"),
    ];
    let (text, _, _) = text(&frame(&headers, ""));
    assert!(
        text.contains(r#""type":"api_error","message":"gone""#),
        "{text}"
    );
}

#[test]
fn what_has_no_name_in_the_api_is_left_out() {
    let new = frame(
        &[(":message-type", "event"), (":event-type", "newKind")],
        "{}",
    );
    let (text, pushed, _) = text(&[chunk(r#"{"keep":"alive"}"#), new].concat());
    assert_eq!(
        (text.as_str(), pushed),
        ("", Ok(())),
        "no text, and no error"
    );
}

#[test]
fn a_stream_that_cannot_be_read_keeps_the_text_before_it() {
    let event = |payload| {
        frame(
            &[(":message-type", "event"), (":event-type", "chunk")],
            payload,
        )
    };
    let rows = [
        (event("{}"), "no `bytes`"),
        (event(r#"{"bytes":"***"}"#), "no Base64"),
        (chunk("not json"), "no event"),
        (chunk("{\"type\":\"a\\nb\"}"), "several lines"),
        (frame(&[], "{}"), ":message-type"),
    ];
    for (bad, word) in rows {
        let (text, pushed, _) = text(&[chunk(r#"{"type":"ping"}"#), bad].concat());
        assert_eq!(
            text, "event: ping\ndata: {\"type\":\"ping\"}\n\n",
            "before {word}"
        );
        let message = pushed.unwrap_err().to_string();
        assert!(
            message.starts_with("Amazon Bedrock's stream") && message.contains(word),
            "{message}"
        );
    }
}

#[test]
fn an_end_within_a_frame_is_an_error() {
    let stream = chunk(r#"{"type":"ping"}"#);
    let (_, _, decoder) = text(&stream[..stream.len() - 1]);
    let message = decoder.end().unwrap_err().to_string();
    assert!(message.contains("1 bytes before its end"), "{message}");
}

proptest! {
    #[test]
    fn any_split_gives_the_same_text(cuts in prop::collection::vec(0..1000_usize, 0..10)) {
        let mut stream: Vec<u8> = ["message_start", "ping", "message_stop"]
            .iter()
            .flat_map(|kind| chunk(&format!(r#"{{"type":"{kind}"}}"#)))
            .collect();
        stream.extend(exception("throttlingException", r#"{"message":"m"}"#));
        let whole = text(&stream).0;
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut % (stream.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(stream.len());
        let (mut decoder, mut out, mut from) = (Decoder::new(), Vec::new(), 0);
        for to in cuts {
            decoder.push(&stream[from..to], &mut out).unwrap();
            from = to;
        }
        prop_assert_eq!(String::from_utf8(out).unwrap(), whole, "as in one piece");
        prop_assert!(decoder.end().is_ok(), "and ends");
    }
}
