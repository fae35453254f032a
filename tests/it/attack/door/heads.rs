//! Callers without a key: what a head may hold before it is whole, and how long an answer may wait to be read.

use tokio::io::AsyncReadExt;

use crate::harness::{Client, GatewayBuilder, TestGateway, Upstream, within_timeout};

const LIMIT: usize = 8192;

async fn gate(upstream: &Upstream, extra: &str) -> TestGateway {
    GatewayBuilder::bare()
        .upstream("default", upstream)
        .extra(&format!("[limits]\nhead_bytes = {LIMIT}\n{extra}\n"))
        .start()
        .await
}

/// The begin of a head, of so many bytes.
fn begun(length: usize) -> Vec<u8> {
    let mut head = b"POST /v1/messages HTTP/1.1\r\nHost: gateway.test\r\nX-Pad: ".to_vec();
    head.resize(length, b'x');
    head
}

/// A whole request with a head of so many bytes, and a body.
fn whole(gate: &TestGateway, length: usize, body: &str) -> Vec<u8> {
    let begin = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: gateway.test\r\nx-api-key: {}\r\nContent-Length: {}\r\nX-Pad: ",
        gate.key(),
        body.len()
    );
    let mut request = begin.into_bytes();
    request.resize(length - 4, b'x');
    request.extend_from_slice(b"\r\n\r\n");
    request.extend_from_slice(body.as_bytes());
    request
}

fn body(pad: usize) -> String {
    let pad = "x".repeat(pad);
    format!(r#"{{"model":"m","max_tokens":5,"messages":[],"pad":"{pad}"}}"#)
}

async fn is_told(client: &mut Client) {
    let said = client.until_closed().await;
    let text = String::from_utf8_lossy(&said);
    assert!(
        text.starts_with("HTTP/1.1 431") && text.contains(r#"{"type":"error""#),
        "it is refused before it is whole: {text:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_is_refused_at_the_limit_and_not_when_it_is_whole() {
    let upstream = Upstream::answering().await;
    let gate = gate(&upstream, "head_timeout_ms = 10000").await;
    let mut at_once = gate.client().await;
    at_once.try_write(&begun(LIMIT + 1)).await;
    is_told(&mut at_once).await;

    let mut piece_by_piece = gate.client().await;
    for piece in begun(LIMIT + 1).chunks(1000) {
        piece_by_piece.try_write(piece).await;
    }
    is_told(&mut piece_by_piece).await;

    let mut behind_a_request = gate.client().await;
    behind_a_request
        .write(&whole(&gate, 400, &body(100_000)))
        .await;
    assert_eq!(behind_a_request.receive().await.status, 200, "the first");
    behind_a_request.try_write(&begun(LIMIT + 1)).await;
    is_told(&mut behind_a_request).await;
    assert_eq!(upstream.requests().len(), 1, "nothing else was forwarded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_ahead_counts_to_the_head_that_it_begins() {
    let upstream = Upstream::answering().await;
    let gate = gate(&upstream, "head_timeout_ms = 10000").await;
    let mut client = gate.client().await;
    let mut bytes = whole(&gate, 400, &body(0));
    bytes.extend_from_slice(&begun(LIMIT - 1000));
    client.write(&bytes).await;
    assert_eq!(client.receive().await.status, 200, "the first");
    client.try_write(&[b'x'; 1001]).await;
    is_told(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_head_of_a_connection_has_the_whole_limit_and_bodies_do_not_count() {
    let upstream = Upstream::answering().await;
    let gate = gate(&upstream, "").await;
    let mut client = gate.client().await;
    for round in 0..5 {
        for length in [0, 100_000] {
            client.write(&whole(&gate, LIMIT, &body(length))).await;
            let response = client.receive().await;
            assert_eq!(response.status, 200, "{round}: {}", response.text());
        }
        // Several at once: the second is read with the first.
        let request = whole(&gate, LIMIT / 2, &body(3000));
        client.write(&[request.as_slice(); 4].concat()).await;
        for _ in 0..4 {
            assert_eq!(client.receive().await.status, 200, "{round}: one of four");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_and_asks_and_never_reads_is_let_go() {
    let upstream = Upstream::answering().await;
    let gate = gate(&upstream, "write_timeout_ms = 300").await;
    let address = gate.address();
    let mut tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    let asking = b"POST /v1/messages HTTP/1.1\r\nHost: g\r\nContent-Length: 0\r\n\r\n".repeat(200);
    // Refusals, until the gateway can't write any more, and so does not read any more.
    let asked = async {
        while tokio::io::AsyncWriteExt::write_all(&mut tcp, &asking)
            .await
            .is_ok()
        {}
    };
    within_timeout("the gateway to close", asked).await;
    let mut rest = Vec::new();
    let _ = within_timeout("the end of what it said", tcp.read_to_end(&mut rest)).await;
}
