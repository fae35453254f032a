//! Clients of HTTP/2 that take nothing of the answer to what they sent.

use bytes::Bytes;
use h2::SendStream;
use serde_json::json;

use super::gate;
use crate::harness::{Http2Client, Http2Response, within_timeout};

/// The initial HTTP/2 flow-control window of a stream, in bytes.
const WINDOW: usize = 1024 * 1024;

fn head(path: &str, key: Option<&str>) -> http::Request<()> {
    let mut head = http::Request::post(format!("http://gateway.test{path}"));
    if let Some(key) = key {
        head = head.header("x-api-key", key);
    }
    head.body(()).unwrap()
}

/// Sends a body until the stream is over, and says how much was taken.
async fn fill(mut stream: SendStream<Bytes>) -> usize {
    let mut taken = 0;
    loop {
        stream.reserve_capacity(16 * 1024);
        let capacity = std::future::poll_fn(|cx| stream.poll_capacity(cx));
        let Some(Ok(capacity)) = within_timeout("a window, or the end", capacity).await else {
            return taken;
        };
        taken += capacity;
        if stream.send_data(vec![0; capacity].into(), false).is_err() {
            return taken;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_that_a_client_does_not_take_ends_its_stream_and_keeps_nothing() {
    let (gate, _upstream) = gate().await;
    let mut client = Http2Client::connect_with_shut_windows(gate.address()).await;
    let mut streams = Vec::new();
    for _ in 0..8 {
        let head = head("/v1/messages", None);
        let (answer, stream) = client.open(head, false).await.unwrap();
        streams.push((answer, tokio::spawn(fill(stream))));
    }
    let mut most = 0;
    for (answer, filling) in streams {
        let response = Http2Response::read(answer).await.unwrap();
        assert_eq!(response.status(), 401, "no key");
        assert!(response.broken.is_some(), "reset: {response:?}");
        most = most.max(filling.await.unwrap());
    }
    assert!(most > WINDOW, "it is read and forgotten: {most}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_that_a_client_does_not_take_gives_the_place_of_its_key_back() {
    let (gate, _upstream) = gate().await;
    let key = gate.key().to_owned();
    let mut client = Http2Client::connect_with_shut_windows(gate.address()).await;
    let mut answers = Vec::new();
    for _ in 0..8 {
        let head = head("/v1/nothing", Some(&key));
        answers.push(client.open(head, false).await.unwrap());
    }
    for (answer, _stream) in answers {
        let response = Http2Response::read(answer).await.unwrap();
        assert_eq!(response.status(), 404, "not served");
        assert!(response.broken.is_some(), "reset: {response:?}");
    }
    assert_eq!(gate.gauge("in_flight").await, 0, "no place is held");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_upload_is_answered_whole_and_told_to_stop() {
    let (gate, _upstream) = gate().await;
    let mut client = Http2Client::connect(gate.address()).await;
    for path in ["/v1/messages", "/v1/nothing"] {
        let (answer, mut stream) = client.open(head(path, None), false).await.unwrap();
        let response = Http2Response::read(answer).await.unwrap();
        assert_eq!(response.status(), 401, "{path}");
        assert!(response.broken.is_none(), "whole: {response:?}");
        assert!(response.text().contains("no key"), "{}", response.text());
        let reset = std::future::poll_fn(|cx| stream.poll_reset(cx));
        let reason = within_timeout("a reset", reset).await.unwrap();
        assert_eq!(reason, h2::Reason::NO_ERROR, "{path}");
    }
    let served = client
        .ask(&gate.messages(&json!({"model": "m", "max_tokens": 5, "messages": []})))
        .await
        .unwrap();
    assert_eq!(served.status(), 200, "the connection goes on");
}
