//! Meters say what was used. That splits change nothing and cuts little is shown in [`crate::recorded`].

use witgate_messages::{ErrorType, Meter, Reading, Source};

use crate::streams;

fn metered(mut meter: Meter, chunks: &[&[u8]]) -> Reading {
    chunks.iter().for_each(|chunk| meter.feed(chunk));
    let midway = meter.reading();
    let last = meter.finish();
    assert_eq!(midway, last, "a reading at the end is the last one");
    last
}

#[test]
fn output_so_far_never_falls() {
    for (name, stream) in streams::all() {
        let (mut meter, mut last) = (Meter::sse(), 0);
        for byte in stream.as_bytes() {
            meter.feed(&[*byte]);
            assert!(meter.output_so_far() >= last, "{name}");
            last = meter.output_so_far();
        }
        assert!(last > 0, "{name} put something out");
    }
}

#[test]
fn cumulative_numbers_replace_and_the_split_stays() {
    let reading = metered(Meter::sse(), &[streams::agent().as_bytes()]);
    let tokens = reading.usage.tokens;
    assert_eq!(
        (
            tokens.input,
            tokens.output,
            tokens.cache_read,
            tokens.cache_write
        ),
        (20, 95, 9500, 3000),
        "the last"
    );
    assert_eq!(
        (tokens.five_minute_writes(), tokens.one_hour_writes()),
        (1000, 2000),
        "the split of message_start"
    );
    assert_eq!(
        reading.usage.speed.as_deref(),
        Some("fast"),
        "the speed of message_start"
    );
    assert_eq!(
        reading.usage.iterations[2].model.as_deref(),
        Some("claude-fable-5-2"),
        "an own model"
    );
    assert_eq!(reading.source, Source::Reported, "the stream is complete");
}

#[test]
fn an_explicit_zero_stays_zero() {
    let stream = "data: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"words\"}}\n\ndata: {\"usage\":{\"input_tokens\":0,\"output_tokens\":0},\"type\":\"message_delta\"}\n\ndata: {\"type\":\"message_stop\"}\n\n";
    let reading = metered(Meter::sse(), &[stream.as_bytes()]);
    assert_eq!(
        (reading.usage.tokens.input, reading.usage.tokens.output),
        (0, 0),
        "zero is a number"
    );
    assert_eq!(
        reading.source,
        Source::Reported,
        "unnamed events are known by their type"
    );
}

#[test]
fn an_event_that_cannot_be_read_is_counted_and_harms_nothing() {
    let stream = "event: message_start\ndata: {\"type\":\n\nevent: message_delta\ndata: {\"usage\":{\"output_tokens\":\"9\"}}\n\nevent: error\ndata: oops\n\n";
    let reading = metered(
        Meter::sse(),
        &[stream.as_bytes(), streams::text().as_bytes()],
    );
    assert_eq!(reading.passed_over, 3, "three events made no sense");
    assert_eq!(reading.usage.tokens.output, 42, "the others did");
    let reading = metered(Meter::sse_with_limit(100), &[streams::text().as_bytes()]);
    assert!(reading.passed_over > 0, "events over the limit are counted");
}

#[test]
fn a_json_answer_is_read_at_its_end() {
    let body = br#"{"id":"msg_01","model":"claude-haiku-4-5","content":[{"type":"text","text":"{\"usage\":{}}"}],"stop_reason":"end_turn","usage":{"input_tokens":10,"output_tokens":0,"cache_creation_input_tokens":null}}"#;
    for split in 0..=body.len() {
        let (one, two) = body.split_at(split);
        let reading = metered(Meter::json(), &[one, two]);
        assert_eq!(
            (reading.usage.tokens.input, reading.usage.tokens.output),
            (10, 0),
            "as reported"
        );
        assert_eq!(
            (reading.source, reading.ended, reading.content_started),
            (Source::Reported, true, true),
            "whole"
        );
        assert_eq!(
            reading.model.as_deref(),
            Some("claude-haiku-4-5"),
            "the model that served"
        );
        assert_eq!(
            reading.stop_reason.as_deref(),
            Some("end_turn"),
            "why it ended"
        );
    }
    let reading = metered(Meter::json(), &[&body[..100]]);
    assert_eq!(
        (reading.source, reading.usage.tokens.output, reading.ended),
        (Source::Estimated, 25, false),
        "a cut one"
    );
}

#[test]
fn an_error_body_and_other_bodies_use_nothing() {
    let body = br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}"#;
    let reading = metered(Meter::json(), &[body]);
    assert_eq!(
        reading.error.map(|error| error.kind),
        Some(ErrorType::Overloaded),
        "the upstream's error"
    );
    assert_eq!(reading.source, Source::None, "nothing was used");
    let reading = metered(Meter::json(), &[b"<html>bad gateway</html>"]);
    assert_eq!(
        (reading.source, reading.passed_over),
        (Source::None, 1),
        "no JSON at all"
    );
    let reading = metered(Meter::json(), &[br#"{"input_tokens":2095}"#]);
    assert_eq!(
        (reading.source, reading.passed_over),
        (Source::None, 0),
        "a count of tokens uses none"
    );
    assert_eq!(
        metered(Meter::opaque(), &[b"\x1f\x8b"]),
        Reading::default(),
        "nothing is known of a compressed body"
    );
}
