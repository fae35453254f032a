//! Bodies on their way to an upstream that takes nothing, and the clients that send them.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, SendStream};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::stuck::Stuck;
use crate::harness::{
    Answer, GatewayBuilder, Http2Client, Pause, Request, TestGateway, Upstream, within_timeout,
};

/// A length beyond all socket buffers on the way and the windows of HTTP/2, in bytes.
const LARGE: usize = 24 << 20;

/// Enough streams to use up the window of a connection, whose unread bytes are limited for all of them together.
const STREAMS: usize = 8;

async fn gate(upstream: &Stuck) -> TestGateway {
    let breaker = "breaker = { min_requests = 1, open_ms = 600000, max_open_ms = 600000 }";
    GatewayBuilder::bare()
        .listen("h2c = true")
        .extra(&format!(
            "[state]\ndirectory = \"state\"\n[limits]\nupload_bytes = 100000000\n\
             [upstreams.only]\nbase_url = \"{}\"\nretry = {{ attempts = 0 }}\n{breaker}\n",
            upstream.url()
        ))
        .start()
        .await
}

fn body() -> Value {
    json!({"model": "m", "max_tokens": 5, "messages": []})
}

fn upload(gate: &TestGateway, size: usize) -> Request {
    gate.keyed(Request::new("POST", "/v1/files").header("Host", "gateway.test"))
        .header("content-length", &size.to_string())
}

/// An upload over HTTP/2 that goes on for as long as it is let.
struct Sending {
    answer: ResponseFuture,
    task: JoinHandle<()>,
}

// === impl Sending ===

impl Sending {
    async fn start(client: &mut Http2Client, gate: &TestGateway, taken: &Arc<AtomicUsize>) -> Self {
        let head = http::Request::post("http://gateway.test/v1/files")
            .header("x-api-key", gate.key())
            .body(())
            .unwrap();
        let (answer, stream) = client.open(head, false).await.unwrap();
        let taken = Arc::clone(taken);
        Self {
            answer,
            task: tokio::spawn(send(stream, taken)),
        }
    }

    /// Takes the request back, as a client that has lost its patience.
    fn reset(self) {
        self.task.abort();
        drop(self.answer);
    }
}

/// Sends as much as the windows let through; a task that ends takes its stream back.
async fn send(mut stream: SendStream<Bytes>, taken: Arc<AtomicUsize>) {
    for _ in 0..LARGE / 16384 {
        stream.reserve_capacity(16384);
        match std::future::poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(Ok(capacity)) => {
                let piece = Bytes::from(vec![b'x'; capacity.min(16384)]);
                taken.fetch_add(piece.len(), Relaxed);
                if stream.send_data(piece, false).is_err() {
                    return;
                }
            }
            _ => break,
        }
    }
    // It ends as it is: with the reset that its drop is.
    let _ = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
    stream.send_reset(Reason::CANCEL);
}

/// Waits until no more is taken. Where a busy machine looks like a full window, a test sees less than it could.
async fn until_it_stands_still(taken: &AtomicUsize) {
    let mut before = usize::MAX;
    while taken.load(Relaxed) != before || before == 0 {
        before = taken.load(Relaxed);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Starts uploads on one connection until the gateway takes nothing of any of them.
async fn stuck_uploads(
    client: &mut Http2Client,
    gate: &TestGateway,
    upstream: &Stuck,
) -> Vec<Sending> {
    let taken = Arc::new(AtomicUsize::new(0));
    let mut uploads = Vec::new();
    for _ in 0..STREAMS {
        uploads.push(Sending::start(client, gate, &taken).await);
    }
    upstream.uploads_when(STREAMS).await;
    until_it_stands_still(&taken).await;
    uploads
}

/// The error of a client that disconnected, which says nothing about the upstream.
async fn assert_clients_left(gate: &TestGateway, count: usize) {
    let receipts = gate.receipts_when(count).await;
    for receipt in receipts.iter().take(count) {
        assert_eq!(receipt["outcome"], "client-gone", "{receipt}");
        assert_eq!(receipt["status"], 499, "{receipt}");
    }
    let page = gate.admin("/upstreams").await.json();
    let only = &page["upstreams"][0];
    assert_eq!(only["state"], "available", "{only}");
    assert_eq!(only["last_minute"]["errors"], 0, "{only}");
    assert_eq!(only["in_flight"], 0, "no slot is held: {only}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_that_are_reset_give_back_what_they_hold_of_their_connection() {
    let upstream = Stuck::start().await;
    let gate = gate(&upstream).await;
    let mut client = Http2Client::connect(gate.address()).await;
    let uploads = stuck_uploads(&mut client, &gate, &upstream).await;
    uploads.into_iter().for_each(Sending::reset);

    assert_clients_left(&gate, STREAMS).await;
    let mut large = body();
    large["pad"] = json!("x".repeat(3_000_000));
    let response = client.ask(&gate.messages(&large)).await.unwrap();
    assert_eq!(response.status(), 200, "{}", response.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_that_stand_still_do_not_hold_up_other_requests_of_their_connection() {
    let upstream = Stuck::start().await;
    let gate = gate(&upstream).await;
    let mut client = Http2Client::connect(gate.address()).await;
    let uploads = stuck_uploads(&mut client, &gate, &upstream).await;

    let mut large = body();
    large["pad"] = json!("x".repeat(3_000_000));
    let response = client.ask(&gate.messages(&large)).await.unwrap();
    assert_eq!(response.status(), 200, "{}", response.text());
    drop(uploads);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_while_the_upstream_takes_nothing_is_noticed() {
    let upstream = Stuck::start().await;
    let gate = gate(&upstream).await;
    let mut client = gate.client().await;
    client.write(&upload(&gate, LARGE).to_bytes()).await;
    upstream.uploads_when(1).await;
    // The client leaves behind bytes that the gateway has not read and some that it has not even been sent.
    let piece = vec![b'x'; 64 << 10];
    let full = async {
        loop {
            client.write(&piece).await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(700), full).await;
    client.close();
    assert_clients_left(&gate, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_before_its_batch_is_sent_ends_it() {
    let upstream = Stuck::start().await;
    let gate = gate(&upstream).await;
    let pad = "x".repeat(8 << 20);
    let batch = json!({"requests": [{"custom_id": "a", "params": {"model": "m", "max_tokens": 5, "pad": pad, "messages": []}}]});
    let request = gate
        .keyed(Request::new("POST", "/v1/messages/batches").header("Host", "gateway.test"))
        .header("content-type", "application/json")
        .body(batch.to_string());
    let mut client = gate.client().await;
    client.send(&request).await;
    upstream.uploads_when(1).await;
    client.close();
    assert_clients_left(&gate, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_answers_and_reads_no_further_ends_the_upload() {
    let answer =
        "HTTP/1.1 413 Too Large\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let pause = Pause::new();
    let upstream = Stuck::start_saying(answer, pause.clone()).await;
    let gate = gate(&upstream).await;
    let mut client = Http2Client::connect(gate.address()).await;
    let taken = Arc::new(AtomicUsize::new(0));
    let sending = Sending::start(&mut client, &gate, &taken).await;
    pause.reached().await;
    until_it_stands_still(&taken).await;
    pause.resume();
    let answer = within_timeout("an answer", sending.answer).await.unwrap();
    assert_eq!(answer.status(), 413, "the upstream's own word");
    sending.task.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_after_its_upload_passed_through_ends_the_request() {
    let upstream = Upstream::always(Answer::never()).await;
    let gate = GatewayBuilder::bare()
        .upstream("only", &upstream)
        .extra("[passthrough]\npaths = [\"/v1/agents\"]\n")
        .start()
        .await;
    let mut client = gate.client().await;
    let request = gate
        .keyed(Request::new("POST", "/v1/agents").header("Host", "gateway.test"))
        .body("a skill");
    client.send(&request).await;
    upstream.next_request().await;
    client.close();
    upstream.client_left(0).await;
    assert_clients_left(&gate, 1).await;
}
