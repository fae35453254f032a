//! Errors of the gateway's own have Anthropic's shape, and say whose fault it is and what to do.

use serde_json::json;

use crate::harness::{Answer, GatewayBuilder, Request, Response, TestGateway, Upstream};

async fn gate() -> (TestGateway, Upstream) {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .extra("[limits]\nbody_bytes = 2048\nbody_timeout_ms = 2000\n")
        .start()
        .await;
    (gate, upstream)
}

fn has_the_shape(response: &Response, status: u16, kind: &str) {
    assert_eq!(response.status, status, "{}", response.text());
    let body = response.json();
    assert_eq!(
        (&body["type"], &body["error"]["type"]),
        (&json!("error"), &json!(kind)),
        "{body}"
    );
    assert!(
        body["error"]["message"]
            .as_str()
            .is_some_and(|message| message.len() > 10),
        "it says what to do: {body}"
    );
    assert!(
        response.headers.get("x-should-retry").is_some(),
        "SDKs are told whether to try again"
    );
}

fn body() -> serde_json::Value {
    json!({"model": "m", "max_tokens": 5, "messages": []})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_without_a_known_key_is_a_401_that_is_not_worth_trying_again() {
    let (gate, upstream) = gate().await;
    for request in [
        Request::messages(&body()),
        Request::messages(&body()).set_header("x-api-key", "sk-ant-mine"),
    ] {
        let response = gate.ask(&request).await;
        has_the_shape(&response, 401, "authentication_error");
        assert_eq!(
            response.headers.get("x-should-retry"),
            Some("false"),
            "clients would try for minutes"
        );
        assert!(
            !response.text().contains("sk-ant-mine"),
            "what was presented is not said back"
        );
    }
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_taken_from_either_header_and_from_both() {
    let (gate, _upstream) = gate().await;
    let bearer = format!("Bearer {}", gate.key());
    let plain = Request::messages(&body()).without_header("x-api-key");
    for request in [
        plain.clone().header("Authorization", &bearer),
        plain.clone().header("x-api-key", gate.key()),
        plain
            .header("authorization", &bearer)
            .header("x-api-key", gate.key()),
    ] {
        assert_eq!(gate.ask(&request).await.status, 200, "a known key");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_that_are_not_served_are_404() {
    let (gate, _upstream) = gate().await;
    for (method, path) in [
        ("GET", "/v1/messages"),
        ("POST", "/v1/messagesfoo"),
        ("POST", "/"),
        ("GET", "/v1/organizations/me"),
        ("POST", "/v1/%6dessages"),
    ] {
        let response = gate
            .ask(&gate.keyed(Request::new(method, path)).body("{}"))
            .await;
        has_the_shape(&response, 404, "not_found_error");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aliases_of_the_messages_path_arrive_at_the_path_of_the_api() {
    let (gate, upstream) = gate().await;
    for path in [
        "/anthropic/v1/messages?beta=true",
        "/anthropic/messages?beta=true",
        "/api/v1/completion/ws/prod/anthropic/v1/messages?beta=true",
        "/api/v1/completion/ws/prod/anthropic/messages?beta=true",
    ] {
        let request = gate
            .keyed(Request::new("POST", path))
            .body(body().to_string());
        assert_eq!(gate.ask(&request).await.status, 200, "{path}");
        assert_eq!(
            upstream.requests().pop().unwrap().target(),
            "/v1/messages?beta=true",
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_over_the_limit_is_413_whether_it_says_so_or_not() {
    let (gate, upstream) = gate().await;
    let large =
        json!({"model": "m", "max_tokens": 5, "messages": [], "pad": "x".repeat(4096)}).to_string();
    let declared = gate
        .keyed(Request::new("POST", "/v1/messages"))
        .body(large.clone());
    has_the_shape(&gate.ask(&declared).await, 413, "request_too_large");

    let mut chunked = format!("{:x}\r\n", large.len()).into_bytes();
    chunked.extend_from_slice(large.as_bytes());
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    let undeclared = gate
        .keyed(Request::new("POST", "/v1/messages"))
        .header("Transfer-Encoding", "chunked")
        .body_unframed(chunked);
    has_the_shape(&gate.ask(&undeclared).await, 413, "request_too_large");
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_without_a_length_is_411_and_one_that_does_not_come_is_408() {
    let (gate, _upstream) = gate().await;
    let unframed = gate
        .keyed(Request::new("POST", "/v1/messages"))
        .body_unframed("");
    has_the_shape(&gate.ask(&unframed).await, 411, "invalid_request_error");
    let short = gate
        .keyed(Request::new("POST", "/v1/messages"))
        .header("Content-Length", "100")
        .body_unframed("{");
    has_the_shape(&gate.ask(&short).await, 408, "timeout_error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_not_json_is_a_400_that_names_the_byte() {
    let (gate, upstream) = gate().await;
    let request = gate
        .keyed(Request::new("POST", "/v1/messages"))
        .body(r#"{"model":"m",,}"#);
    let response = gate.ask(&request).await;
    has_the_shape(&response, 400, "invalid_request_error");
    assert!(
        response.text().contains("13"),
        "the byte: {}",
        response.text()
    );
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_policy_reads_twice_is_refused_under_any_spelling() {
    let (gate, upstream) = gate().await;
    let request = gate
        .keyed(Request::new("POST", "/v1/messages"))
        .body(r#"{"model":"cheap","max_tokens":5,"messages":[],"\u006dodel":"dear"}"#);
    has_the_shape(&gate.ask(&request).await, 400, "invalid_request_error");
    assert!(
        upstream.requests().is_empty(),
        "gateway and upstream would read two different requests"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_is_not_http_is_a_400_in_the_same_shape() {
    let (gate, _upstream) = gate().await;
    let mut client = gate.client().await;
    client.write(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}").await;
    has_the_shape(&client.receive().await, 400, "invalid_request_error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_announced_with_expect_is_invited() {
    let (gate, upstream) = gate().await;
    let text = body().to_string();
    let request = gate
        .keyed(Request::new("POST", "/v1/messages"))
        .header("Expect", "100-continue")
        .header("Content-Length", &text.len().to_string())
        .body_unframed("");
    let mut client = gate.client().await;
    client.send(&request).await;
    assert_eq!(client.interim().await, "HTTP/1.1 100 Continue", "go on");
    client.write(text.as_bytes()).await;
    assert_eq!(client.receive().await.status, 200, "served");
    assert_eq!(upstream.requests().len(), 1, "once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_comes_too_slowly_costs_its_connection() {
    let upstream = Upstream::always(Answer::never()).await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .extra("[limits]\nhead_timeout_ms = 100\n")
        .start()
        .await;
    let mut client = gate.client().await;
    client
        .write(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\n")
        .await;
    assert!(client.closed().await, "closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_over_the_limit_is_closed_at_once() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .extra("[limits]\nconnections = 1\n")
        .start()
        .await;
    let mut first = gate.client().await;
    assert_eq!(
        first.ask(&gate.messages(&body())).await.status,
        200,
        "the first is served"
    );
    let mut second = gate.client().await;
    assert!(second.closed().await, "the second is not");
    assert_eq!(
        first.ask(&gate.messages(&body())).await.status,
        200,
        "and does not disturb the first"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let (gate, _upstream) = gate().await;
    let large = "x".repeat(8 << 20);
    let request = gate
        .keyed(Request::new("POST", "/v1/messages"))
        .body(large.clone());
    let mut client = gate.client().await;
    has_the_shape(&client.ask(&request).await, 413, "request_too_large");
    assert_eq!(
        client.ask(&gate.messages(&body())).await.status,
        200,
        "and the connection is good for more"
    );
    let unknown = Request::new("POST", "/v1/messages")
        .set_header("x-api-key", "nobody")
        .body(large);
    has_the_shape(&gate.ask(&unknown).await, 401, "authentication_error");
}
