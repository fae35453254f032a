//! Requests arrive and answers come back byte for byte, with all four plugins on.

use serde_json::json;

use crate::harness::{
    Answer, Capture, Events, GatewayBuilder, Request, TestGateway, Upstream, compressed,
};

/// A Messages answer as an upstream might write it: odd spacing and unknown members included.
const ODD_ANSWER: &[u8] = br#"{ "id":"msg_1","type":"message", "role":"assistant","model":"claude-opus-5-5",
 "content":[{"type":"text","text":"h\u00e9llo"}],"stop_reason":"end_turn","brand_new":{"x":[1,2 ,3]},
 "usage":{"input_tokens":10,"output_tokens":3}}"#;

/// SHA-256 of nothing, for requests without a body.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

async fn gate(upstream: &Upstream) -> TestGateway {
    GatewayBuilder::shipped()
        .upstream("default", upstream)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_request_arrives_with_the_same_body_and_all_its_anthropic_headers() {
    let upstream = Upstream::always(Answer::bytes(
        200,
        &[("content-type", "application/json")],
        ODD_ANSWER,
    ))
    .await;
    let gate = gate(&upstream).await;
    let host = gate.address().to_string();
    let mut forwarded = 0;
    for capture in Capture::all() {
        let request = capture.request_for(&host, gate.key());
        let response = gate.ask(&request).await;
        assert_eq!(
            response.status,
            200,
            "{} is served: {}",
            capture.name,
            response.text()
        );
        if capture.name.contains("HEAD_api_hello") {
            continue;
        }
        forwarded += 1;
        let arrived = upstream.requests().pop().expect("it was forwarded");
        let sent_hash = if capture.sha256.is_empty() {
            EMPTY
        } else {
            &capture.sha256
        };
        assert_eq!(
            arrived.sha256, sent_hash,
            "{}: the body's hash",
            capture.name
        );
        let anthropic = |names: &[(String, String)]| -> Vec<(String, String)> {
            names
                .iter()
                .filter(|(name, _)| name.to_lowercase().starts_with("anthropic-"))
                .cloned()
                .collect()
        };
        let sent = headers_of(&request);
        let came: Vec<_> = headers_in(&arrived.raw_head);
        assert_eq!(
            anthropic(&came),
            anthropic(&sent),
            "{}: the anthropic-* headers, in order and case",
            capture.name
        );
        let secret = came.iter().any(|(_, value)| value.contains(gate.key()));
        assert!(!secret, "{}: the virtual key stays here", capture.name);
    }
    assert!(
        forwarded > 30,
        "the captures were there to be replayed: {forwarded}"
    );
    assert_eq!(
        upstream.requests().len(),
        forwarded,
        "each was forwarded once"
    );
}

fn headers_of(request: &Request) -> Vec<(String, String)> {
    headers_in(&request.to_bytes())
}

fn headers_in(wire: &[u8]) -> Vec<(String, String)> {
    let end = wire
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("a head ends");
    let head = String::from_utf8(wire[..end].to_vec()).expect("heads here are text");
    head.split("\r\n")
        .skip(1)
        .map(|line| {
            line.split_once(": ")
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .expect("a header")
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_header_keeps_its_order_and_case_but_for_host_and_credential() {
    let upstream = Upstream::always(Answer::bytes(200, &[], ODD_ANSWER)).await;
    let gate = gate(&upstream).await;
    let capture = Capture::load("cc_tool_02_POST_v1_messages");
    let request = capture.request_for(&gate.address().to_string(), gate.key());
    gate.ask(&request).await;

    let upstream_authority = upstream.address().to_string();
    let expected: Vec<_> = headers_of(&request)
        .into_iter()
        .filter(|(name, _)| name != "Connection")
        .map(|(name, value)| match name.as_str() {
            "x-api-key" => (name, "upstream-secret".to_owned()),
            "Host" => (name, upstream_authority.clone()),
            _ => (name, value),
        })
        .collect();
    let arrived = upstream.requests().pop().expect("it was forwarded");
    assert_eq!(
        headers_in(&arrived.raw_head),
        expected,
        "the upstream's head"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_json_answer_comes_back_as_it_was_written() {
    let headers = [
        ("Content-Type", "application/json"),
        ("request-id", "req_upstream"),
        ("anthropic-ratelimit-requests-remaining", "99"),
        ("X-Odd-Case", "1"),
    ];
    let upstream = Upstream::always(Answer::bytes(200, &headers, ODD_ANSWER)).await;
    let gate = gate(&upstream).await;
    let response = gate
        .ask(&gate.messages(&json!({"model": "claude-opus-5-5", "max_tokens": 9, "messages": []})))
        .await;
    assert_eq!(response.body, ODD_ANSWER, "the body");
    for (name, value) in headers {
        assert_eq!(response.headers.get(name), Some(value), "{name}");
    }
    assert!(
        response.headers.names().contains(&"X-Odd-Case"),
        "header names keep their case"
    );
    assert!(
        response.headers.get("witgate-request-id").is_some(),
        "and the gateway adds its own id"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_comes_back_as_it_was_written_however_it_is_cut_into_chunks() {
    let events = Events::begin("claude-opus-5-5")
        .ping()
        .thinking(&["hmm", "…"])
        .text(&["Hé", "llo, ", "world"])
        .event(
            "brand_new_event",
            &json!({"type": "brand_new_event", "x": 1}),
        )
        .frame(": a comment\n\n")
        .end("end_turn");
    let whole = events.to_bytes();
    for size in [1, 7, 64, 4096] {
        let upstream = Upstream::always(Answer::sse(&events).in_pieces_of(size)).await;
        let gate = gate(&upstream).await;
        let body =
            json!({"model": "claude-opus-5-5", "max_tokens": 9, "messages": [], "stream": true});
        let response = gate.ask(&gate.messages(&body)).await;
        assert_eq!(response.body, whole, "the events, in pieces of {size}");
        assert_eq!(
            response.headers.get("content-type"),
            Some("text/event-stream; charset=utf-8"),
            "the content type"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_reaches_the_client_before_the_next_one_is_there() {
    let pause = crate::harness::Pause::new();
    let events = Events::begin("claude-opus-5-5")
        .text(&["one", "two"])
        .end("end_turn");
    let upstream = Upstream::always(Answer::sse(&events).pause_at_event(3, &pause)).await;
    let gate = gate(&upstream).await;
    let mut client = gate.client().await;
    let body = json!({"model": "claude-opus-5-5", "max_tokens": 9, "messages": [], "stream": true});
    client.send(&gate.messages(&body)).await;
    let mut reply = client.reply().await;
    for _ in 0..3 {
        assert!(
            reply.event().await.is_some(),
            "what the upstream has sent is here while it waits"
        );
    }
    pause.resume();
    assert_eq!(reply.rest().await.status, 200, "and the rest follows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_error_passes_unmodified() {
    let body = br#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 1 > 0"},"request_id":"req_u"}"#;
    let headers = [
        ("content-type", "application/json"),
        ("retry-after", "7"),
        ("x-should-retry", "true"),
    ];
    let upstream = Upstream::always(Answer::bytes(400, &headers, *body)).await;
    let gate = gate(&upstream).await;
    let response = gate
        .ask(&gate.messages(&json!({"model": "m", "max_tokens": 9, "messages": []})))
        .await;
    assert_eq!(
        (response.status, response.body.as_slice()),
        (400, body.as_slice()),
        "clients match on its wording"
    );
    assert_eq!(
        response.headers.get("retry-after"),
        Some("7"),
        "and on its headers"
    );
    assert_eq!(
        upstream.requests().len(),
        1,
        "a client's mistake is not tried again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_carries_one_request_after_the_other() {
    let upstream = Upstream::always(Answer::bytes(200, &[], ODD_ANSWER)).await;
    let gate = gate(&upstream).await;
    let request = gate.messages(&json!({"model": "m", "max_tokens": 9, "messages": []}));
    let mut client = gate.client().await;
    for _ in 0..3 {
        assert_eq!(client.ask(&request).await.status, 200, "kept alive");
    }
    let twice = [request.to_bytes(), request.to_bytes()].concat();
    client.write(&twice).await;
    for which in ["first", "second"] {
        assert_eq!(
            client.receive().await.status,
            200,
            "the {which} of two pipelined requests"
        );
    }
    // The pool may now and then lose a race for a connection that was just given back.
    let opened = upstream.connections();
    assert!(opened < 5, "the upstream's is kept as well: {opened}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_answer_passes_as_it_is_and_is_metered_all_the_same() {
    let compressed = compressed("gzip", ODD_ANSWER);
    let headers = [
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ];
    let upstream = Upstream::always(Answer::bytes(200, &headers, compressed.clone())).await;
    let gate = gate(&upstream).await;
    let body = json!({"model": "claude-opus-5-5", "max_tokens": 9, "messages": []});
    let response = gate.ask(&gate.messages(&body)).await;
    assert_eq!(
        response.body, compressed,
        "the client's bytes are the upstream's"
    );
    let receipt = gate.receipts_when(1).await.remove(0);
    assert_eq!(receipt["usage"]["source"], "reported", "{receipt}");
    assert_eq!(receipt["usage"]["input_tokens"], 10, "{receipt}");
    assert!(receipt["cost_picousd"].as_i64().unwrap() > 0, "{receipt}");
}
