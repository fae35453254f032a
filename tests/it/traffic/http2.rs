//! HTTP/2 towards clients: the same requests, the same answers, and an end that everybody can tell from a break.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::harness::{
    Answer, Client, Events, GatewayBuilder, Http2Client, Http2Response, Pause, Request,
    TestGateway, Upstream, within_timeout,
};

async fn gate(upstream: &Upstream, extra: &str) -> TestGateway {
    GatewayBuilder::shipped()
        .upstream("default", upstream)
        .listen("h2c = true")
        .extra(extra)
        .start()
        .await
}

fn body() -> serde_json::Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []})
}

fn streaming() -> serde_json::Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [], "stream": true})
}

fn events() -> Events {
    Events::begin("claude-haiku-4-5")
        .text(&["one", "two"])
        .end("end_turn")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_over_http_2_arrive_whole_and_answers_come_back_whole() {
    let headers = [("content-type", "application/json"), ("X-Odd-Case", "1")];
    let answer = br#"{"type":"message", "odd" : 1}"#;
    let upstream = Upstream::always(Answer::bytes(200, &headers, *answer)).await;
    let gate = gate(&upstream, "").await;
    let mut client = Http2Client::connect(gate.address()).await;
    let mut large = body();
    large["pad"] = json!("x".repeat(300_000));
    for (sent, path) in [
        (body(), "/v1/messages"),
        (large, "/v1/messages?beta=true&x=%20"),
    ] {
        let request = gate
            .keyed(Request::new("POST", path))
            .header("anthropic-beta", "a-1")
            .header("anthropic-beta", "b-2")
            .body(sent.to_string());
        let answer_future = client.send(&request).await.unwrap();
        let response = Http2Response::read(answer_future).await.unwrap();
        assert_eq!(response.status(), 200, "{}", response.text());
        assert_eq!(response.body, answer, "the answer's bytes");
        assert_eq!(response.head.headers()["x-odd-case"], "1", "its headers");
        assert!(
            !response.head.headers().contains_key("connection"),
            "no header of a connection (RFC 9113, section 8.2.2)"
        );

        let arrived = upstream.requests().pop().unwrap();
        assert_eq!(arrived.body, sent.to_string().into_bytes(), "the body");
        assert_eq!(arrived.target(), path, "the path and its query");
        assert_eq!(
            arrived.headers.get("content-length"),
            Some(sent.to_string().len().to_string().as_str()),
            "a length, which HTTP/2 does not need"
        );
        assert_eq!(
            arrived.headers.all("anthropic-beta").collect::<Vec<_>>(),
            ["a-1", "b-2"],
            "repeated headers"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_one_connection_run_beside_each_other() {
    let pause = Pause::new();
    let held = Answer::sse(&events()).pause_at_event(2, &pause);
    let upstream = Upstream::start_with(move |request| {
        if request.json()["stream"] == true {
            held.clone()
        } else {
            Answer::json(200, &[], &json!({"type": "message"}))
        }
    })
    .await;
    let gate = gate(&upstream, "").await;
    let mut client = Http2Client::connect(gate.address()).await;
    let slow = client.send(&gate.messages(&streaming())).await.unwrap();
    pause.reached().await;
    for _ in 0..3 {
        let quick = client.ask(&gate.messages(&body())).await.unwrap();
        assert_eq!(quick.status(), 200, "served while another stream waits");
    }
    pause.resume();
    let slow = Http2Response::read(slow).await.unwrap();
    assert!(slow.broken.is_none(), "a clean end: {:?}", slow.broken);
    assert_eq!(slow.body, events().to_bytes(), "the whole stream");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_is_a_reset_and_not_a_clean_end() {
    for stop in [1, 3] {
        let upstream = Upstream::always(Answer::sse(&events()).stop_at_event(stop)).await;
        let gate = gate(&upstream, "").await;
        let mut client = Http2Client::connect(gate.address()).await;
        let response = client.ask(&gate.messages(&streaming())).await;
        // A reset may come so early that the head is not there yet.
        let broken = match response {
            Ok(response) => response.broken,
            Err(error) => Some(error),
        };
        assert!(
            broken.as_ref().is_some_and(h2::Error::is_reset),
            "stopped after {stop} events: {broken:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_resets_its_stream_is_noticed_at_the_upstream() {
    let pause = Pause::new();
    let upstream = Upstream::always(Answer::sse(&events()).pause_at_event(2, &pause)).await;
    let gate = gate(&upstream, "").await;
    let mut client = Http2Client::connect(gate.address()).await;
    let answer = client.send(&gate.messages(&streaming())).await.unwrap();
    pause.reached().await;
    drop(answer);
    upstream.client_left(0).await;
    let receipts = gate.receipts_when(1).await;
    assert_eq!(receipts[0]["outcome"], "client-gone", "{}", receipts[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_lets_streams_finish_and_waits_for_their_receipts() {
    let pause = Pause::new();
    let upstream = Upstream::always(Answer::sse(&events()).pause_at_event(2, &pause)).await;
    let gate = gate(&upstream, "").await;
    let mut idle = Http2Client::connect(gate.address()).await;
    let mut client = Http2Client::connect(gate.address()).await;
    let request = gate.messages(&streaming());
    let answer = client.send(&request).await.unwrap();
    pause.reached().await;

    let draining = tokio::spawn(gate.drain());
    within_timeout("an idle connection to be told to go", async {
        while let Ok(answer) = idle.send(&request).await {
            // Taken before the word was there: it is served as any other.
            drop(answer);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    assert!(!draining.is_finished(), "the running stream is waited for");
    pause.resume();
    let response = Http2Response::read(answer).await.unwrap();
    assert!(response.broken.is_none(), "it ends: {:?}", response.broken);
    assert_eq!(response.body, events().to_bytes(), "whole");
    let (drained, folder) = draining.await.unwrap();
    assert_eq!(drained.cut, 0, "nothing was cut");
    let receipts = std::fs::read_to_string(folder.path().join("receipts.jsonl")).unwrap();
    assert!(receipts.contains("\"answered\""), "its receipt: {receipts}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_outlasts_the_drain_timeout_is_cut_on_its_connection() {
    let upstream = Upstream::always(Answer::never()).await;
    let gate = GatewayBuilder::bare()
        .top("drain_timeout_ms = 50")
        .listen("h2c = true")
        .upstream("default", &upstream)
        .start()
        .await;
    let mut client = Http2Client::connect(gate.address()).await;
    let answer = client.send(&gate.messages(&body())).await.unwrap();
    upstream.next_request().await;
    let (drained, folder) = gate.drain().await;
    assert_eq!(drained.cut, 1, "the connection was cut");
    assert!(
        Http2Response::read(answer).await.is_err(),
        "and its client knows"
    );
    let receipts = std::fs::read_to_string(folder.path().join("receipts.jsonl")).unwrap();
    assert!(receipts.contains("\"abandoned\""), "{receipts}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_without_requests_is_told_to_go_after_the_head_timeout() {
    let upstream = Upstream::answering().await;
    let gate = gate(&upstream, "[limits]\nhead_timeout_ms = 200\n").await;
    let mut used = Http2Client::connect(gate.address()).await;
    let response = used.ask(&gate.messages(&body())).await.unwrap();
    assert_eq!(response.status(), 200, "served");
    let fresh = Http2Client::connect(gate.address()).await;
    for client in [used, fresh] {
        client.closed().await.expect("a farewell, and no error");
    }
    let mut silent = gate.client().await;
    silent.write(b"PRI * HTTP/2.0\r\n").await;
    assert!(silent.closed().await, "half a preface has an end as well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_over_the_limit_are_431() {
    let upstream = Upstream::answering().await;
    let gate = gate(&upstream, "[limits]\nhead_bytes = 4096\nheaders = 20\n").await;
    let mut client = Http2Client::connect(gate.address()).await;
    let large = gate.messages(&body()).header("x-large", &"x".repeat(8000));
    let mut many = gate.messages(&body());
    for number in 0..30 {
        many = many.header(&format!("x-{number}"), "1");
    }
    for request in [large, many] {
        let response = client.ask(&request).await.expect("an answer");
        assert_eq!(response.status(), 431, "{}", response.text());
    }
    let response = client.ask(&gate.messages(&body())).await.unwrap();
    assert_eq!(response.status(), 200, "the connection lives on");
    assert_eq!(upstream.requests().len(), 1, "only that was forwarded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_http_2_forbids_is_not_forwarded() {
    let upstream = Upstream::answering().await;
    let gate = gate(&upstream, "").await;
    for (name, value) in [
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("content-length", "1"),
        ("content-length", "+9"),
    ] {
        let mut client = Http2Client::connect(gate.address()).await;
        let head = http::Request::post("http://gateway.test/v1/messages")
            .header("x-api-key", gate.key())
            .header(name, value)
            .body(())
            .unwrap();
        let Ok((answer, mut stream)) = client.open(head, false).await else {
            continue;
        };
        let sent = Bytes::from(body().to_string());
        // It may have been reset already.
        let _ = stream.send_data(sent, true);
        match Http2Response::read(answer).await {
            Ok(response) => assert_eq!(response.status(), 400, "{name}: {value}"),
            Err(error) => assert!(error.is_reset(), "{name}: {value}: {error}"),
        }
    }
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_clients_are_served_beside_http_2_and_the_preface_is_refused_where_it_is_off() {
    let upstream = Upstream::answering().await;
    let gate = gate(&upstream, "").await;
    let response = gate.ask(&gate.messages(&body())).await;
    assert_eq!(response.status, 200, "HTTP/1.1");
    let mut short = gate.client().await;
    short.write(b"GET / HTTP/1.0\r\n\r\n").await;
    let status = short.receive().await.status;
    assert_eq!(
        status, 200,
        "a request shorter than the preface has its answer"
    );

    let closed = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .start()
        .await;
    let mut client = Client::connect(closed.address()).await;
    client.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let said = client.until_closed().await;
    assert!(
        said.is_empty() || said.starts_with(b"HTTP/1.1 400"),
        "no HTTP/2 where nobody asked for it: {}",
        said.escape_ascii()
    );
}
