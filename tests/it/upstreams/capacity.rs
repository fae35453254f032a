//! The capacity of an upstream, shared out between resources: who gives way, what is told, and what is counted.

mod failover;
mod operators;
mod settling;

use serde_json::{Value, json};

use super::table;
use crate::harness::{
    Answer, Caller, FakeOrganization, GatewayBuilder, Request, Response, TestGateway, Upstream,
};

/// An important resource and one that borrows.
const TERMS: &str = "[resources.chat]\npriority = 2\n[resources.batch]\npriority = 1\n";

/// A table of a capacity.
fn capacity(upstream: &str, limits: &str) -> String {
    format!("[upstreams.{upstream}.capacity]\n{limits}\n")
}

/// A gateway with one upstream of this capacity.
async fn sharing(upstream: &Upstream, limits: &str) -> TestGateway {
    GatewayBuilder::bare()
        .extra(&table("default", &upstream.url(), ""))
        .extra(&capacity("default", limits))
        .extra(TERMS)
        .start()
        .await
}

/// A message whose answer may have so many tokens.
fn body(resource: &str, max_tokens: u64) -> Value {
    json!({"model": resource, "max_tokens": max_tokens, "messages": []})
}

/// An answer that reports these output tokens, and none of input.
fn answer(output: u64) -> Answer {
    let usage = json!({"input_tokens": 0, "output_tokens": output});
    Answer::message("m", "hi", &usage)
}

/// Asks for a resource, and returns the status.
async fn ask(gate: &TestGateway, resource: &str, max_tokens: u64) -> u16 {
    let request = gate.messages(&body(resource, max_tokens));
    gate.ask(&request).await.status
}

/// Asks for a resource that has no room.
async fn refused(gate: &TestGateway, request: &Request) -> Response {
    let response = gate.ask(request).await;
    assert_eq!(response.status, 429, "{}", response.text());
    response
}

/// Returns what is used of the first limit of the upstream `default`.
async fn used(gate: &TestGateway) -> u64 {
    let shown = super::shown(gate, "default").await;
    let used = &shown["capacity"]["limits"][0]["used"];
    used.as_u64().unwrap_or_else(|| panic!("a use: {shown}"))
}

fn wait(response: &Response) -> u64 {
    let wait = response.headers.get("retry-after");
    wait.expect("a wait").parse().expect("whole seconds")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_less_important_tenant_gives_way_and_is_told_to_whom() {
    let upstream = Upstream::answering().await;
    let limits = "requests_per_minute = 10\nname_resources = true";
    let gate = sharing(&upstream, limits).await;
    let alice = Caller::admit(&gate, "people", "acme", "models = [\"chat\"]").await;
    let bob = Caller::admit(&gate, "worker", "bolt", "models = [\"batch\"]").await;
    let chat = alice.post("/v1/messages", &body("chat", 5));
    let batch = bob.post("/v1/messages", &body("batch", 5));

    for round in 0..4 {
        let served = gate.ask(&chat).await;
        assert_eq!(served.status, 200, "{round}: {}", served.text());
    }
    // Four requests and half as many again are kept for the important one.
    for round in 0..4 {
        let lent = gate.ask(&batch).await;
        assert_eq!(lent.status, 200, "{round}: {}", lent.text());
    }
    let refused = refused(&gate, &batch).await;
    assert_eq!(
        refused.json()["error"],
        json!({
            "type": "rate_limit_error",
            "message": "the upstream default is not taking requests now: of its 10 requests per minute the rest is kept for \
                        the resource `chat`, which the resource `batch` gives way to",
        }),
        "it says who and why: {}",
        refused.text()
    );
    assert!((1..=61).contains(&wait(&refused)), "{}", wait(&refused));
    assert_eq!(refused.headers.get("x-should-retry"), Some("true"));
    for round in 4..6 {
        let served = gate.ask(&chat).await;
        assert_eq!(served.status, 200, "{round}: {}", served.text());
    }
    assert_eq!(
        upstream.requests().len(),
        10,
        "the refused one was not sent, and all others were"
    );
    let receipts = gate.receipts_when(11).await;
    let of_refused = |receipt: &&Value| receipt["status"] == 429;
    let receipt = receipts.iter().find(of_refused).expect("its receipt");
    assert_eq!(receipt["refusal"]["blame"], "capacity", "{receipt}");
    let told = &receipt["capacity"]["0"];
    assert_eq!(
        (&told["upstream"], &told["unit"], &told["window"]),
        (&json!("default"), &json!("requests"), &json!("minute")),
        "{receipt}"
    );
    assert_eq!(told["gave_way_to"], "chat", "{receipt}");
    assert!(told["retry_after_ms"].as_u64().is_some(), "{receipt}");
    assert!(
        receipt["passed_over"]["default"].is_string(),
        "as a target that was not asked: {receipt}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_resource_is_named_unless_the_operator_wants_that() {
    let upstream = Upstream::answering().await;
    let gate = sharing(&upstream, "requests_per_minute = 4").await;
    for _ in 0..2 {
        assert_eq!(ask(&gate, "chat", 5).await, 200, "served");
    }
    assert_eq!(ask(&gate, "batch", 5).await, 200, "lent");
    let refused = refused(&gate, &gate.messages(&body("batch", 5))).await;
    assert_eq!(
        refused.json()["error"]["message"],
        "the upstream default is not taking requests now: of its 4 requests per minute the rest is kept for others, which \
         the resource `batch` gives way to",
        "the name stays with the operator"
    );
    let receipts = gate.receipts_when(4).await;
    assert_eq!(
        receipts[3]["capacity"]["0"]["gave_way_to"], "chat",
        "{receipts:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_never_fits_is_not_to_be_repeated() {
    let upstream = Upstream::answering().await;
    let gate = sharing(&upstream, "output_tokens_per_minute = 100").await;
    let refused = refused(&gate, &gate.messages(&body("chat", 101))).await;
    assert_eq!(
        refused.json()["error"]["message"],
        "the upstream default does not take this request: the request needs 101 output tokens, and the resource `chat` may \
         use 100 per minute; make it shorter, or ask the gateway's operator for a larger limit",
        "it says what to do"
    );
    assert_eq!(refused.headers.get("retry-after"), None, "there is no wait");
    assert_eq!(refused.headers.get("x-should-retry"), Some("false"));
    assert!(upstream.requests().is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_callers_make_up_share_one_part() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .extra(&table("default", &upstream.url(), ""))
        .extra(&capacity("default", "requests_per_minute = 4"))
        .extra("[resources.\"*\"]\nceiling_percent = 50\n")
        .start()
        .await;
    for name in ["one", "two"] {
        assert_eq!(ask(&gate, name, 5).await, 200, "{name}");
    }
    assert_eq!(ask(&gate, "three", 5).await, 429, "their part is used");
    let page = gate.admin("/metrics").await;
    assert!(
        !page.text().contains("resource=\"one\""),
        "they are no labels: {}",
        page.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_of_tokens_and_batches_are_not_shared_out() {
    let mut organization = FakeOrganization::with_models(&["chat"]).script();
    let upstream = Upstream::start_with(move |request| {
        if request.target().contains("count_tokens") {
            return Answer::json(200, &[], &json!({"input_tokens": 1}));
        }
        organization(request)
    })
    .await;
    let gate = GatewayBuilder::bare()
        .extra(&table("default", &upstream.url(), ""))
        .extra(&capacity("default", "requests_per_minute = 1"))
        .extra("[state]\ndirectory = \"state\"\n")
        .start()
        .await;
    let caller = Caller::first(&gate);
    assert_eq!(ask(&gate, "chat", 5).await, 200, "the only one");
    assert_eq!(ask(&gate, "chat", 5).await, 429, "the capacity is used");
    let count = caller.post(
        "/v1/messages/count_tokens",
        &json!({"model": "chat", "messages": []}),
    );
    let params = body("chat", 5);
    let batch = caller.post(
        "/v1/messages/batches",
        &json!({"requests": [{"custom_id": "a", "params": params}]}),
    );
    for request in [count, batch, caller.request("GET", "/v1/models")] {
        let response = gate.ask(&request).await;
        assert_eq!(response.status, 200, "{}", response.text());
    }
    assert_eq!(used(&gate).await, 1, "and they count for nothing");
}
