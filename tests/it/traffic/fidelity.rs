//! Everything that HTTP/1 allows passes in both directions, and each request gets exactly its own answer.

use serde_json::json;

use crate::harness::{Answer, Ending, GatewayBuilder, Request, Response, TestGateway, Upstream};

const ANSWER: &[u8] = br#"{"type":"message"}"#;

async fn gate(upstream: &Upstream) -> TestGateway {
    GatewayBuilder::bare()
        .upstream("default", upstream)
        .start()
        .await
}

fn body() -> serde_json::Value {
    json!({"model": "m", "max_tokens": 5, "messages": []})
}

fn lines(head: &[u8]) -> Vec<String> {
    String::from_utf8(head.to_vec())
        .expect("heads here are text")
        .split("\r\n")
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_arrives_as_it_was_written() {
    let upstream = Upstream::answering().await;
    let gate = gate(&upstream).await;
    for query in [
        "beta=true",
        "a=%2F%20+b&&=;c",
        "x=1?y=2",
        "",
        "%00=%0d%0a",
        "q=a/../b",
    ] {
        let target = format!("/v1/messages?{query}");
        let request = gate
            .keyed(Request::new("POST", &target))
            .body(body().to_string());
        let response = gate.ask(&request).await;
        assert_eq!(response.status, 200, "{query}: {}", response.text());
        let arrived = upstream.requests().pop().unwrap();
        assert_eq!(arrived.target(), target, "the target");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_headers_keep_their_number_order_and_case_in_both_directions() {
    let answer = "HTTP/1.1 200 Fine\r\nX-One: a\r\nx-two: b\r\nX-ONE: c\r\nContent-Length: 2\r\nx-One: d\r\n\r\n{}";
    let upstream = Upstream::always(Answer::raw(answer)).await;
    let gate = gate(&upstream).await;
    let request = gate
        .messages(&body())
        .header("X-One", "a")
        .header("x-two", "b")
        .header("X-ONE", "c")
        .header("x-One", "d");
    let response = gate.ask(&request).await;
    let ours = |head: &[u8]| -> Vec<String> {
        let of_test = |line: &String| {
            line.to_lowercase().starts_with("x-one") || line.to_lowercase().starts_with("x-two")
        };
        lines(head).into_iter().filter(of_test).collect()
    };
    let arrived = upstream.requests().pop().unwrap();
    for (direction, head) in [("up", &arrived.raw_head), ("down", &response.raw_head)] {
        let mut ones = ours(head);
        ones.retain(|line| line.to_lowercase().starts_with("x-one"));
        assert_eq!(ones, ["X-One: a", "X-ONE: c", "x-One: d"], "{direction}");
        assert!(
            ours(head).contains(&"x-two: b".to_owned()),
            "{direction}: all of them: {:?}",
            ours(head)
        );
    }
    assert_eq!(response.start, "HTTP/1.1 200 Fine", "the reason phrase");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_to_be_invited_is_invited_once_and_the_upstream_is_not_asked_to() {
    let upstream = Upstream::answering().await;
    let gate = gate(&upstream).await;
    let request = gate.messages(&body()).header("Expect", "100-continue");
    let wire = request.to_bytes();
    let (head, rest) = wire.split_at(wire.len() - request.body.len());
    let mut client = gate.client().await;
    client.write(head).await;
    assert_eq!(client.interim().await, "HTTP/1.1 100 Continue");
    client.write(rest).await;
    let said = client.interim().await;
    assert!(said.starts_with("HTTP/1.1 200"), "then the answer: {said}");
    let arrived = upstream.next_request().await;
    assert_eq!(arrived.headers.get("expect"), None, "it ended here");
    assert_eq!(arrived.body, request.body, "the body");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_in_chunks_is_forwarded_with_its_length() {
    let upstream = Upstream::answering().await;
    let gate = gate(&upstream).await;
    let sent = body().to_string();
    let (first, second) = sent.split_at(7);
    let coded = format!(
        "{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    let request = gate
        .keyed(Request::new("POST", "/v1/messages"))
        .header("Host", "gateway.test")
        .header("Transfer-Encoding", "chunked")
        .body_unframed(coded);
    let response = gate.ask(&request).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let arrived = upstream.requests().pop().unwrap();
    assert_eq!(arrived.body, sent.as_bytes(), "the body");
    assert_eq!(
        arrived.headers.get("content-length"),
        Some(sent.len().to_string().as_str()),
        "and its length"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interim_answer_of_the_upstream_is_not_taken_for_the_answer() {
    for interim in ["100 Continue", "102 Processing", "103 Early Hints"] {
        let answer = format!(
            "HTTP/1.1 {interim}\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        let upstream = Upstream::always(Answer::raw(answer)).await;
        let gate = gate(&upstream).await;
        let response = gate.ask(&gate.messages(&body())).await;
        assert_eq!(
            (response.status, response.text()),
            (200, "{}"),
            "after {interim}"
        );
        assert_eq!(
            response.headers.get("link"),
            None,
            "its headers are its own"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_head_has_no_body_and_the_connection_goes_on() {
    let upstream = Upstream::answering().await;
    let gate = gate(&upstream).await;
    let mut client = gate.client().await;
    for _ in 0..2 {
        let response = client.ask(&Request::new("HEAD", "/api/hello")).await;
        assert_eq!((response.status, response.body.len()), (200, 0), "no body");
    }
    let response = client.ask(&gate.messages(&body())).await;
    assert_eq!(response.status, 200, "the next request has its own answer");

    let admin = gate.running().admin().unwrap();
    let mut client = crate::harness::Client::connect(admin).await;
    let head = client.ask(&Request::new("HEAD", "/healthz")).await;
    assert_eq!((head.status, head.body.len()), (200, 0), "the admin pages");
    let get = client.ask(&Request::new("GET", "/healthz")).await;
    assert_eq!(
        head.headers.get("content-length"),
        Some(get.body.len().to_string().as_str()),
        "the length is that of the page"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_have_their_answers_in_order() {
    let upstream = Upstream::start_with(|request| {
        Answer::json(200, &[], &json!({"echo": request.json()["n"]}))
    })
    .await;
    let gate = gate(&upstream).await;
    let numbered = |n: u64| {
        let mut body = body();
        body["n"] = json!(n);
        gate.messages(&body).to_bytes()
    };
    let mut client = gate.client().await;
    client
        .write(&[numbered(1), numbered(2), numbered(3)].concat())
        .await;
    for n in 1..=3 {
        let response = client.receive().await;
        assert_eq!(response.json()["echo"], n, "in the order of the requests");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http_1_0_client_is_answered_until_the_connection_closes() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    for answer in [
        Answer::bytes(200, &[], ANSWER),
        Answer::raw(chunked).then_close(),
    ] {
        let upstream = Upstream::always(answer).await;
        let gate = gate(&upstream).await;
        let wire = gate.messages(&body()).to_bytes();
        let wire = String::from_utf8(wire)
            .unwrap()
            .replacen("HTTP/1.1", "HTTP/1.0", 1);
        let mut client = gate.client().await;
        client.write(wire.as_bytes()).await;
        let response: Response = client.receive().await;
        assert_eq!((response.status, response.ending), (200, Ending::Complete));
        assert_eq!(
            response.headers.get("transfer-encoding"),
            None,
            "HTTP/1.0 knows no chunks (RFC 9112, section 6.1)"
        );
        assert!(
            [ANSWER, b"{}"].contains(&response.body.as_slice()),
            "the body: {}",
            response.text()
        );
        assert!(client.closed().await, "and the connection ends");
    }
}
