//! Uploads pass piece by piece in both directions, and end when either side does.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{
    Caller, Client, FakeOrganization, GatewayBuilder, TestGateway, within_timeout,
};

const STATE: &str =
    "[state]\ndirectory = \"state\"\n[limits]\nbody_bytes = 1000\nupload_bytes = 2000000\n";

async fn gate(builder: GatewayBuilder) -> (TestGateway, Caller) {
    let gate = builder.extra(STATE).start().await;
    let caller = Caller::first(&gate);
    (gate, caller)
}

/// A gate before an upstream that the test speaks for.
async fn spoken_for() -> (TestGateway, Caller, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (gate, caller) = gate(GatewayBuilder::shipped().upstream_at("default", &url)).await;
    (gate, caller, listener)
}

async fn accept(listener: &TcpListener) -> TcpStream {
    within_timeout("a connection", listener.accept())
        .await
        .unwrap()
        .0
}

/// Reads until the text so far ends with this.
async fn read_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        let mut byte = [0; 4096];
        let count = within_timeout("bytes at the upstream", stream.read(&mut byte))
            .await
            .unwrap();
        assert!(
            count > 0,
            "closed after {:?}",
            String::from_utf8_lossy(&read)
        );
        read.extend_from_slice(&byte[..count]);
    }
    read
}

/// Returns true if the peer closes, whatever it still sends.
async fn closes(stream: &mut TcpStream) -> bool {
    let mut sink = vec![0; 65536];
    loop {
        match within_timeout("the end", stream.read(&mut sink)).await {
            Ok(0) | Err(_) => return true,
            Ok(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_arrives_byte_for_byte_with_its_length_or_in_chunks() {
    let upstream = FakeOrganization::default().start().await;
    let (gate, alice) = gate(GatewayBuilder::shipped().upstream("default", &upstream)).await;
    let body: Vec<u8> = (0..1_500_000_u32)
        .map(|at| at.to_le_bytes()[at as usize % 3])
        .collect();
    let kind = "multipart/form-data; boundary=xyz";
    let plain = alice
        .request("POST", "/v1/files?beta=true")
        .header("Content-Type", kind)
        .body(body.clone());
    let mut chunks = Vec::new();
    for piece in body.chunks(70_001) {
        chunks.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        chunks.extend_from_slice(piece);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    let chunked = alice
        .request("POST", "/v1/files?beta=true")
        .header("Content-Type", kind)
        .header("Transfer-Encoding", "chunked")
        .body_unframed(chunks);
    let mut client = gate.client().await;
    for (request, id) in [(plain, "file_1"), (chunked, "file_2")] {
        let response = client.ask(&request).await;
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.json()["id"], id, "{}", response.text());
        let seen = upstream.next_request().await;
        assert!(
            seen.body == body,
            "{} bytes came, {} were sent",
            seen.body.len(),
            body.len()
        );
        assert_eq!(seen.headers.get("content-type"), Some(kind), "as it came");
        assert_eq!(
            seen.headers.get("x-api-key"),
            Some("upstream-secret"),
            "the upstream's own"
        );
        assert_eq!(seen.target(), "/v1/files?beta=true", "with its query");
    }
    let receipts = gate.receipts_when(2).await;
    assert_eq!(
        receipts[0]["bytes"]["request"]
            .as_u64()
            .or(receipts[0]["bytes.request"].as_u64()),
        Some(1_500_000),
        "{}",
        receipts[0]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_upstream_has_the_first_piece_before_the_client_sends_the_last() {
    let (gate, alice, listener) = spoken_for().await;
    let head = alice
        .request("POST", "/v1/files")
        .header("Content-Length", "10");
    let mut client = gate.client().await;
    client.write(&head.to_bytes()).await;
    client.write(b"01234").await;
    let mut upstream = accept(&listener).await;
    let seen = read_until(&mut upstream, b"01234").await;
    assert!(
        seen.starts_with(b"POST /v1/files HTTP/1.1\r\n"),
        "{:?}",
        String::from_utf8_lossy(&seen)
    );
    client.write(b"56789").await;
    read_until(&mut upstream, b"56789").await;
    upstream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"id\":\"file_7\"}")
        .await
        .unwrap();
    let response = client.receive().await;
    assert_eq!(
        (response.status, response.json()["id"].as_str()),
        (200, Some("file_7")),
        "{}",
        response.text()
    );
    assert!(
        closes(&mut upstream).await,
        "the connection serves nothing else"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_for_it_is_invited_to_send() {
    let upstream = FakeOrganization::default().start().await;
    let (gate, alice) = gate(GatewayBuilder::shipped().upstream("default", &upstream)).await;
    let head = alice
        .request("POST", "/v1/files")
        .header("Content-Length", "4")
        .header("Expect", "100-continue");
    let mut client = gate.client().await;
    client.write(&head.to_bytes()).await;
    assert!(
        client.interim().await.starts_with("HTTP/1.1 100"),
        "invited"
    );
    client.write(b"body").await;
    let response = client.receive().await;
    assert_eq!(response.status, 200, "{}", response.text());
    let seen = upstream.next_request().await;
    assert_eq!(
        (seen.body.as_slice(), seen.headers.get("expect")),
        (b"body".as_slice(), None),
        "the hop's own"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_over_the_limit_is_413_whether_it_says_so_or_not() {
    let upstream = FakeOrganization::default().start().await;
    let (gate, alice) = gate(GatewayBuilder::shipped().upstream("default", &upstream)).await;
    let declared = alice
        .request("POST", "/v1/files")
        .header("Content-Length", "2000001");
    let mut chunks = Vec::new();
    for _ in 0..3 {
        chunks.extend(format!("{:x}\r\n", 700_000).into_bytes());
        chunks.extend(vec![b'x'; 700_000]);
        chunks.extend_from_slice(b"\r\n");
    }
    let silent = alice
        .request("POST", "/v1/files")
        .header("Transfer-Encoding", "chunked")
        .body_unframed(chunks);
    for request in [declared, silent] {
        let response = gate.ask(&request).await;
        assert_eq!(response.status, 413, "{}", response.text());
        assert_eq!(
            response.json()["error"]["type"],
            "request_too_large",
            "{}",
            response.text()
        );
    }
    assert!(upstream.requests().is_empty(), "no whole upload arrived");
}

/// Begins an upload, and returns it as its client and the upstream hold it, once the upstream has its first bytes.
async fn upload_begun(
    gate: &TestGateway,
    caller: &Caller,
    listener: &TcpListener,
) -> (Client, TcpStream) {
    let head = caller
        .request("POST", "/v1/files")
        .header("Content-Length", "1000000");
    let mut client = gate.client().await;
    client.write(&head.to_bytes()).await;
    client.write(b"01234").await;
    let mut upstream = accept(listener).await;
    read_until(&mut upstream, b"01234").await;
    (client, upstream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_answer_ends_the_upload_and_reaches_the_client() {
    let (gate, alice, listener) = spoken_for().await;
    let (mut client, mut upstream) = upload_begun(&gate, &alice, &listener).await;
    let body = json!({"type": "error", "error": {"type": "invalid_request_error", "message": "no such kind"}}).to_string();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    upstream.write_all(answer.as_bytes()).await.unwrap();
    let response = client.receive().await;
    assert_eq!(
        (response.status, response.text()),
        (400, body.as_str()),
        "the upstream's own words"
    );
    assert!(closes(&mut upstream).await, "nothing more is sent to it");
    let receipts = gate.receipts_when(1).await;
    assert_eq!(receipts[0]["outcome"], "upstream-error", "{}", receipts[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_ends_its_upload_at_the_upstream() {
    let (gate, alice, listener) = spoken_for().await;
    let (client, mut upstream) = upload_begun(&gate, &alice, &listener).await;
    client.close();
    assert!(
        closes(&mut upstream).await,
        "the upstream is not left waiting"
    );
    let receipts = gate.receipts_when(1).await;
    assert_eq!(receipts[0]["outcome"], "client-gone", "{}", receipts[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_hangs_up_is_a_502_and_leaves_nothing_claimed() {
    let (gate, alice, listener) = spoken_for().await;
    let mut client = gate.client().await;
    client
        .send(&alice.request("POST", "/v1/files").body("0123"))
        .await;
    let mut upstream = accept(&listener).await;
    read_until(&mut upstream, b"0123").await;
    drop(upstream);
    let response = client.receive().await;
    assert_eq!(response.status, 502, "{}", response.text());
    let list = gate.ask(&alice.request("GET", "/v1/files")).await;
    assert_eq!(list.json()["data"], json!([]), "{}", list.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_waits_for_the_upstream_and_is_never_piled_up() {
    // Far more than the sockets on the way can hold.
    const SIZE: usize = 64 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let gate = GatewayBuilder::bare()
        .upstream_at("default", &url)
        .extra("[state]\ndirectory = \"state\"\n[limits]\nupload_bytes = 100000000\n")
        .start()
        .await;
    let client = TcpStream::connect(gate.address()).await.unwrap();
    let (mut answer, mut upload) = client.into_split();
    let head = format!(
        "POST /v1/files HTTP/1.1\r\nHost: x\r\nx-api-key: {}\r\nContent-Length: {SIZE}\r\n\r\n",
        gate.key()
    );
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let sending = tokio::spawn(async move {
        upload.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b'x'; 64 << 10];
        for _ in 0..SIZE / piece.len() {
            upload.write_all(&piece).await.unwrap();
            count.fetch_add(piece.len(), Relaxed);
        }
        upload
    });
    let mut upstream = accept(&listener).await;

    // The upstream reads nothing. Once no more is taken for a while, that is all that will be.
    let mut before = usize::MAX;
    while taken.load(Relaxed) != before {
        before = taken.load(Relaxed);
        for _ in 0..20 {
            gate.admin("/healthz").await;
        }
    }
    assert!(
        before < SIZE / 2,
        "{before} bytes of {SIZE} were taken from the client while the upstream took none"
    );

    let mut read = vec![0; 1 << 20];
    let mut received = 0;
    while received < SIZE {
        let count = within_timeout("the upload", upstream.read(&mut read)).await;
        received += count.unwrap();
    }
    let body = r#"{"id":"file_1","type":"file"}"#;
    let reply = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // The rest of what was sent is the head.
    upstream.write_all(reply.as_bytes()).await.unwrap();
    let mut said = vec![0; 4096];
    let count = within_timeout("the answer", answer.read(&mut said))
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&said[..count]).into_owned();
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    within_timeout("the end of the upload", sending)
        .await
        .unwrap();
}
