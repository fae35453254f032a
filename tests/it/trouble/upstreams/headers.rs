//! Headers that are for the gateway end at the gateway.

use serde_json::json;

use crate::harness::{GatewayBuilder, Request, TestGateway, Upstream};

const HEADERS: [(&str, &str); 3] = [
    ("x-vmx-correlation-id", "c-1"),
    ("X-Vmx-Metadata-Team", "blue"),
    ("x-vmx-anything-else", "1"),
];

fn with_headers(gate: &TestGateway, mut request: Request) -> Request {
    for (name, value) in HEADERS {
        request = request.header(name, value);
    }
    gate.keyed(request.header("x-app", "cli"))
}

fn body() -> serde_json::Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []})
}

/// Names of the headers that the last request had and that begin so.
fn arrived(upstream: &Upstream) -> Vec<String> {
    let last = upstream.requests().pop().expect("it was asked");
    let head = String::from_utf8(last.raw_head).expect("a head in ASCII");
    let names = head.lines().filter_map(|line| line.split_once(':'));
    names
        .map(|(name, _)| name.to_ascii_lowercase())
        .filter(|name| name.starts_with("x-vmx-") || name == "x-app")
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_for_the_gateway_end_at_the_gateway_and_plugins_see_them() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("only", &upstream)
        .start()
        .await;
    let response = gate
        .ask(&with_headers(&gate, Request::messages(&body())))
        .await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(arrived(&upstream), ["x-app"], "only what is not for us");
    assert_eq!(
        response.headers.get("x-vmx-correlation-id"),
        Some("c-1"),
        "the answer still carries the caller's id"
    );
    let receipt = gate.only_receipt().await;
    assert_eq!(
        receipt["correlation_id"], "c-1",
        "plugins saw it: {receipt}"
    );
    assert_eq!(receipt["metadata"]["team"], "blue", "and this: {receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_an_upstream_drops_the_headers_that_are_for_the_gateway() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .upstream("only", &upstream)
        .extra("[passthrough]\npaths = [\"/v1/agents\"]\n[state]\ndirectory = \"state\"\n")
        .start()
        .await;
    let asked = [
        Request::messages(&body()),
        Request::new("POST", "/v1/messages/count_tokens").body(body().to_string()),
        Request::new("GET", "/v1/models"),
        Request::new("GET", "/v1/agents"),
        Request::new("POST", "/v1/agents").body("a body that streams"),
        Request::new("POST", "/v1/files").body("a file"),
        Request::new("POST", "/v1/messages/batches")
            .body(json!({"requests": [{"custom_id": "a", "params": body()}]}).to_string()),
    ];
    for (index, request) in asked.into_iter().enumerate() {
        gate.ask(&with_headers(&gate, request)).await;
        assert_eq!(upstream.requests().len(), index + 1, "request {index}");
        assert_eq!(arrived(&upstream), ["x-app"], "request {index}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_to_have_them_gets_the_headers_for_the_gateway() {
    let upstream = Upstream::answering().await;
    let table = format!(
        "[upstreams.only]\nbase_url = \"{}\"\nforward_vmx_headers = true\n",
        upstream.url()
    );
    let gate = GatewayBuilder::bare().extra(&table).start().await;
    gate.ask(&with_headers(&gate, Request::messages(&body())))
        .await;
    assert_eq!(arrived(&upstream).len(), 4, "all of them");
}
