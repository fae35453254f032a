//! Limits on what is under way, and clients that are slow on either side.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use witgate_gateway::keys::NewKey;

use crate::harness::{
    Answer, GatewayBuilder, Pause, Request, Response, TestGateway, Upstream, key_entry,
    within_timeout,
};

fn asking(gate: &TestGateway) -> Request {
    gate.messages(&json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []}))
}

/// A gateway whose upstream holds its answers.
async fn held(limits: &str) -> (TestGateway, Upstream, Pause) {
    let pause = Pause::new();
    let answer = Answer::message("m", "hi", &json!({"input_tokens": 1, "output_tokens": 1}));
    let upstream = Upstream::always(answer.pause_before_head(&pause)).await;
    let gate = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .extra(&format!("[limits]\n{limits}\n"))
        .start()
        .await;
    (gate, upstream, pause)
}

fn busy(response: &Response, status: u16, kind: &str) {
    assert_eq!(response.status, status, "{}", response.text());
    assert_eq!(
        response.json()["error"]["type"],
        kind,
        "{}",
        response.text()
    );
    assert_eq!(response.headers.get("retry-after"), Some("1"), "soon again");
    assert_eq!(
        response.headers.get("x-should-retry"),
        Some("true"),
        "worth it"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_has_no_more_under_way_than_it_may_have_and_others_do_not_feel_it() {
    let (gate, upstream, pause) = held("in_flight_per_key = 1").await;
    let bob = NewKey::random();
    let keys = gate.file("keys.toml");
    let text = std::fs::read_to_string(&keys).unwrap() + &key_entry("bob", &bob, "pro");
    std::fs::write(&keys, text).unwrap();
    gate.running().reload().await.expect("it is right");

    let mut first = gate.client().await;
    first.send(&asking(&gate)).await;
    pause.reached().await;
    busy(&gate.ask(&asking(&gate)).await, 429, "rate_limit_error");
    let mut other = gate.client().await;
    other
        .send(&asking(&gate).set_header("x-api-key", &bob.secret))
        .await;
    upstream.next_request().await;
    upstream.next_request().await;
    pause.resume();
    assert_eq!(first.receive().await.status, 200, "the first is served");
    assert_eq!(other.receive().await.status, 200, "and the other key's");
    gate.receipts_when(3).await;
    assert_eq!(
        gate.ask(&asking(&gate)).await.status,
        200,
        "the place is free again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_sheds_what_is_over_its_limit_before_it_reads_it() {
    let (gate, upstream, pause) = held("in_flight = 1").await;
    let mut first = gate.client().await;
    first.send(&asking(&gate)).await;
    pause.reached().await;
    // A body that never comes: the answer does not wait for it.
    let unread = gate
        .keyed(Request::new("POST", "/v1/messages"))
        .header("Content-Length", "100")
        .body_unframed("");
    busy(&gate.ask(&unread).await, 503, "overloaded_error");
    pause.resume();
    assert_eq!(first.receive().await.status, 200, "the first is served");
    assert_eq!(upstream.requests().len(), 1, "nothing else was forwarded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_gives_its_place_back() {
    let (gate, _upstream, pause) = held("in_flight = 1\nin_flight_per_key = 1").await;
    let mut first = gate.client().await;
    first.send(&asking(&gate)).await;
    pause.reached().await;
    first.close();
    gate.receipts_when(1).await;
    pause.resume();
    assert_eq!(
        gate.ask(&asking(&gate)).await.status,
        200,
        "the place is free"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_is_cut_and_its_answer_is_not_piled_up() {
    // More than the sockets' buffers on both ways take: what is not read has to wait at the upstream.
    let large = vec![b'x'; 64 << 20];
    let upstream = Upstream::always(Answer::bytes(200, &[], large).in_pieces_of(1 << 20)).await;
    let gate = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .extra("[limits]\nwrite_timeout_ms = 200\n")
        .start()
        .await;
    let mut client = gate.client().await;
    client.send(&asking(&gate)).await;
    let reply = client.reply().await;
    assert_eq!(reply.status, 200, "it begins");
    // The upstream is still writing when its connection ends: nobody took the answer off its hands.
    upstream.client_left(0).await;
    let receipts = gate.receipts_when(1).await;
    assert_eq!(receipts.len(), 1, "one receipt: {receipts:?}");
    assert_eq!(receipts[0]["outcome"], "client-gone", "{}", receipts[0]);
    let delivered = receipts[0]["bytes"]["response"].as_u64().unwrap();
    assert!(delivered < 64 << 20, "{delivered} bytes went out");
    let budgets: Value = gate.admin("/budgets").await.json();
    assert_eq!(budgets["open_holds"], 0, "{budgets}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_trickles_in_is_a_408_however_steadily_it_comes() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .extra("[limits]\nbody_timeout_ms = 300\n")
        .start()
        .await;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {}\r\nContent-Length: 1000000\r\n\r\n",
        gate.key()
    );
    let client = TcpStream::connect(gate.address()).await.unwrap();
    let (mut source, mut sink) = client.into_split();
    let trickle = tokio::spawn(async move {
        sink.write_all(head.as_bytes()).await.unwrap();
        while sink.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let mut answer = [0; 12];
    within_timeout("an answer", source.read_exact(&mut answer))
        .await
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408", "the whole body has one limit");
    trickle.abort();
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
}
