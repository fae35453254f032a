//! Texts of a caller's choosing on receipts and in refusals.

use serde_json::{Value, json};
use witgate_artifacts::{ENVELOPE, ROUTE};

use crate::harness::{Caller, GatewayBuilder, Request, TestGateway, Upstream};

/// No receipt has more bytes, whatever a caller sends.
const LARGEST: usize = 32 * 1024;

/// The largest line of both files.
async fn largest(gate: &TestGateway) -> usize {
    let receipts = gate.receipts_when(1).await;
    let sizes = receipts.iter().map(|receipt| receipt.to_string().len());
    sizes.max().unwrap_or_default()
}

fn body(model: &str) -> Value {
    json!({"model": model, "max_tokens": 5, "messages": []})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_of_sixty_kilobytes_is_cut_on_the_receipt_of_a_401() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let method = "A".repeat(60_000);
    let request = Request::new(&method, "/v1/messages").header("Host", "gateway.test");
    assert_eq!(gate.ask(&request).await.status, 401, "there is no key");
    let receipt = gate.receipts_when(1).await.remove(0);
    let written = receipt["method"].as_str().expect("it is there");
    assert!(
        written.len() < 100 && written.starts_with("AAAA"),
        "cut: {} bytes",
        written.len()
    );
    assert!(written.ends_with("more bytes)"), "with a mark: {written}");
    assert!(largest(&gate).await < 2048, "a 401 is small: {receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_caller_sends_its_receipt_is_small() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .plugin("envelope", ENVELOPE, "[settings]\nsession_from = \"s\"\n")
        .upstream("default", &upstream)
        .start()
        .await;
    let long = "\u{1}\"ü".repeat(200);
    let metadata: serde_json::Map<_, _> = (0..250)
        .map(|index| {
            (
                format!("m{index}{}", "k".repeat(100)),
                json!("\u{1}".repeat(10)),
            )
        })
        .collect();
    let mut vmx = json!({"metadata": metadata});
    vmx["metadata"]["s"] = json!("\u{1}".repeat(800));
    let mut request = body(&long);
    request["vmx"] = vmx;
    request["metadata"] = json!({"user_id": "\u{1}".repeat(4000)});
    let path = format!("/v1/messages?beta={}", "q".repeat(20_000));
    let mut request = gate.messages(&request);
    request.target = path;
    gate.ask(&request).await;
    let largest = largest(&gate).await;
    assert!(largest <= LARGEST, "{largest} bytes");
    let receipt = gate.receipts().await.remove(0);
    assert!(
        receipt["left_out"]["metadata"].as_u64() > Some(0),
        "what is left out is counted: {receipt}"
    );
    assert_eq!(
        receipt["plugins"].as_object().map(|it| it.len()),
        Some(4),
        "and what the host says is there: {receipt}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_of_many_dots_is_no_deep_object() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let name = "a.".repeat(25_000);
    let mut request = body("claude-sonnet-5-5");
    request["vmx"] = json!({"metadata": {name: "x"}});
    gate.ask(&gate.messages(&request)).await;
    let largest = largest(&gate).await;
    assert!(largest < LARGEST, "{largest} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_quotes_a_line_of_what_was_sent_and_no_more() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, "[settings]\nunmatched = \"pass\"\n")
        .upstream("default", &upstream)
        .extra("[state]\ndirectory = \"state\"\n")
        .start()
        .await;
    let bob = Caller::admit(&gate, "bob", "bolt", "models = [\"claude-sonnet-*\"]").await;
    let huge = "m\u{7}".repeat(200_000);
    let batch = json!({"requests": [{"custom_id": "c".repeat(300_000), "params": body(&huge)}]});
    let long = "p".repeat(30_000);
    for (what, request) in [
        (
            "a model of a batch",
            bob.post("/v1/messages/batches", &batch),
        ),
        (
            "a model",
            bob.post("/v1/messages", &body(&"m".repeat(1000))),
        ),
        ("an id", bob.request("GET", &format!("/v1/files/{long}"))),
        ("a path", bob.request("GET", &format!("/v1/{long}"))),
        (
            "a query",
            bob.request("GET", &format!("/v1/models?{long}=1&limit={long}")),
        ),
    ] {
        let response = gate.ask(&request).await;
        assert!(
            (400..500).contains(&response.status),
            "{what} is refused: {}",
            response.status
        );
        let text = response.text();
        assert!(text.len() < 2048, "{what}: {} bytes", text.len());
    }
    let largest = largest(&gate).await;
    assert!(largest < LARGEST, "{largest} bytes on a receipt");
}
