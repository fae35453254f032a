//! HTTP/2 towards upstreams: one connection for many requests, and each of them ends as it would on one of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use tokio::sync::mpsc;

use crate::harness::{
    Ending, GatewayBuilder, Http2Client, Http2Upstream, Request, TestGateway, whole, within_timeout,
};

const ANSWER: &[u8] = br#"{"type":"message", "odd" : 1}"#;

async fn gate(upstream: &Http2Upstream, more: &str) -> TestGateway {
    let table = format!(
        "[upstreams.default]\nbase_url = \"{}\"\nhttp = \"2\"\ncredential = {{ file = \"upstream.key\" }}\n{more}\n",
        upstream.url()
    );
    GatewayBuilder::bare()
        .listen("h2c = true")
        .extra(&table)
        .start()
        .await
}

fn body() -> serde_json::Value {
    json!({"model": "m", "max_tokens": 5, "messages": []})
}

/// Begins an answer of 200.
fn begin(mut answer: SendResponse<Bytes>) -> SendStream<Bytes> {
    let head = http::Response::builder()
        .header("content-type", "application/json")
        .body(())
        .unwrap();
    answer.send_response(head, false).expect("an open stream")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_share_a_connection_and_arrive_whole() {
    let upstream = Http2Upstream::always(ANSWER).await;
    let gate = gate(&upstream, "").await;
    let mut large = body();
    large["pad"] = json!("x".repeat(1_000_000));
    for sent in [body(), large] {
        let request = gate
            .keyed(Request::new("POST", "/v1/messages?beta=true&q=%2F"))
            .header("Host", "gateway.test")
            .header("X-App", "cli")
            .header("anthropic-beta", "a-1")
            .header("Connection", "keep-alive")
            .header("anthropic-beta", "b-2")
            .body(sent.to_string());
        let response = gate.ask(&request).await;
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(
            (response.body.as_slice(), response.ending),
            (ANSWER, Ending::Complete),
            "the answer"
        );
        let arrived = upstream.requests().pop().unwrap();
        assert_eq!(arrived.body, sent.to_string(), "the body");
        assert_eq!(
            arrived.head.uri.to_string(),
            format!("{}/v1/messages?beta=true&q=%2F", upstream.url()),
            "scheme, authority, path and query"
        );
        let names: Vec<_> = arrived
            .head
            .headers
            .keys()
            .map(http::HeaderName::as_str)
            .collect();
        assert_eq!(
            names,
            ["x-api-key", "x-app", "anthropic-beta", "content-length"],
            "the headers in their order, without those of a connection"
        );
        assert_eq!(
            arrived.head.headers["x-api-key"], "upstream-secret",
            "the upstream's credential"
        );
        let betas: Vec<_> = arrived
            .head
            .headers
            .get_all("anthropic-beta")
            .iter()
            .collect();
        assert_eq!(betas, ["a-1", "b-2"], "repeated headers");
    }
    let connections: Vec<_> = upstream.requests().iter().map(|r| r.connection).collect();
    assert_eq!(connections, [0, 0], "one connection for both");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_pass_where_both_sides_have_them() {
    let upstream = Http2Upstream::start(|_, answer| {
        let mut stream = begin(answer);
        stream.send_data(Bytes::from_static(ANSWER), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", HeaderValue::from_static("abc"));
        stream.send_trailers(trailers).unwrap();
    })
    .await;
    let gate = gate(&upstream, "").await;
    let mut client = Http2Client::connect(gate.address()).await;
    let response = client.ask(&gate.messages(&body())).await.unwrap();
    assert!(response.broken.is_none(), "{:?}", response.broken);
    assert_eq!(response.body, ANSWER, "the body");
    assert_eq!(
        response.trailers.expect("trailers")["x-checksum"],
        "abc",
        "and what comes after it"
    );
    let response = gate.ask(&gate.messages(&body())).await;
    assert_eq!(
        (response.ending, response.body.as_slice()),
        (Ending::Complete, ANSWER),
        "an HTTP/1.1 client gets the body"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_before_the_body_is_read_is_passed_on() {
    let upstream = Http2Upstream::start_eager(|_, answer| whole(answer, ANSWER)).await;
    let gate = gate(&upstream, "").await;
    let mut large = body();
    large["pad"] = json!("x".repeat(2_000_000));
    let response = gate.ask(&gate.messages(&large)).await;
    assert_eq!(
        (response.status, response.body.as_slice()),
        (200, ANSWER),
        "the answer does not wait for the body"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_stream_is_sent_once_more_and_another_failure_is_not() {
    for (reason, status, times) in [
        (Reason::REFUSED_STREAM, 200, 2),
        (Reason::INTERNAL_ERROR, 502, 1),
    ] {
        let count = AtomicUsize::new(0);
        let upstream = Http2Upstream::start(move |_, mut answer| {
            if count.fetch_add(1, Ordering::Relaxed) == 0 {
                answer.send_reset(reason);
            } else {
                whole(answer, ANSWER);
            }
        })
        .await;
        let gate = gate(&upstream, "retry = { attempts = 0 }").await;
        let response = gate.ask(&gate.messages(&body())).await;
        assert_eq!(response.status, status, "{reason}: {}", response.text());
        assert_eq!(upstream.requests().len(), times, "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_goes_away_is_replaced() {
    let upstream = Http2Upstream::always(ANSWER).await;
    let gate = gate(&upstream, "").await;
    for round in 0..4 {
        let response = gate.ask(&gate.messages(&body())).await;
        assert_eq!(response.status, 200, "round {round}: {}", response.text());
        upstream.go_away();
    }
    assert_eq!(upstream.requests().len(), 4, "each was sent once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_or_stands_still_is_cut_for_the_client() {
    let (hold, mut held) = mpsc::unbounded_channel();
    let upstream = Http2Upstream::start(move |request, answer| {
        let mut stream = begin(answer);
        stream.send_data(Bytes::from_static(b"{"), false).unwrap();
        if request.head.headers.contains_key("x-reset") {
            stream.send_reset(Reason::INTERNAL_ERROR);
        } else {
            hold.send(stream).expect("the test waits");
        }
    })
    .await;
    let gate = gate(&upstream, "idle_timeout_ms = 200").await;
    for request in [
        gate.messages(&body()).header("x-reset", "1"),
        gate.messages(&body()),
    ] {
        let mut client = gate.client().await;
        client.send(&request.header("Connection", "close")).await;
        // A reset may overtake the head: then there is no answer that could be cut, but an error.
        let said = client.until_closed().await;
        assert!(
            !said.ends_with(b"0\r\n\r\n"),
            "no clean end: {}",
            said.escape_ascii()
        );
    }
    assert!(held.recv().await.is_some(), "the second one stood still");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_resets_its_stream_at_the_upstream_and_no_other() {
    let (hold, mut held) = mpsc::unbounded_channel();
    let upstream = Http2Upstream::start(move |request, answer| {
        if request.head.headers.contains_key("x-hold") {
            hold.send(begin(answer)).expect("the test waits");
        } else {
            whole(answer, ANSWER);
        }
    })
    .await;
    let gate = gate(&upstream, "").await;
    let mut leaving = gate.client().await;
    let mut staying = gate.client().await;
    let request = gate.messages(&body()).header("x-hold", "1");
    leaving.send(&request).await;
    let mut first = within_timeout("the first stream", held.recv())
        .await
        .unwrap();
    staying.send(&request).await;
    let mut second = within_timeout("the second stream", held.recv())
        .await
        .unwrap();
    leaving.close();
    let reset = std::future::poll_fn(|cx| first.poll_reset(cx));
    let reason = within_timeout("the reset", reset).await.expect("a reason");
    assert_eq!(reason, Reason::CANCEL, "nobody waits for it any more");
    second.send_data(Bytes::from_static(ANSWER), true).unwrap();
    let response = staying.receive().await;
    assert_eq!(
        (response.ending, response.body.as_slice()),
        (Ending::Complete, ANSWER),
        "the other stream of that connection goes on"
    );
    let connections: Vec<_> = upstream.requests().iter().map(|r| r.connection).collect();
    assert_eq!(connections, [0, 0], "it was the same connection");
}
