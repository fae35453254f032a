//! Workspace and environment, which VM-X clients have in their paths.

use serde_json::json;
use witgate_artifacts::{BUDGET, ROUTE};

use crate::harness::{Caller, GatewayBuilder, Request, TestGateway, Upstream};

const BODY: &str = r#"{"model":"claude-haiku-4-5","max_tokens":5,"messages":[]}"#;

fn path(workspace: &str, environment: &str) -> String {
    format!("/api/v1/completion/{workspace}/{environment}/anthropic/v1/messages")
}

fn post(gate: &TestGateway, path: &str) -> Request {
    gate.keyed(Request::new("POST", path).header("Host", "gateway.test"))
        .body(BODY)
}

async fn gate(plugin: &str, sidecar: &str) -> (TestGateway, Upstream) {
    let upstream = Upstream::answering().await;
    let mut builder = GatewayBuilder::shipped().upstream("default", &upstream);
    match plugin {
        "route" => builder = builder.plugin("route", ROUTE, sidecar),
        "budget" => builder = builder.plugin("budget", BUDGET, sidecar),
        _ => {}
    }
    (builder.start().await, upstream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workspace_and_environment_of_the_path_are_on_the_receipt() {
    let (gate, upstream) = gate("", "").await;
    let response = gate.ask(&post(&gate, &path("search", "prod"))).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(
        upstream.requests().pop().expect("forwarded").target(),
        "/v1/messages",
        "the API's own path"
    );
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["workspace"], "search", "{receipt}");
    assert_eq!(receipt["environment"], "prod", "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_cannot_say_otherwise_in_metadata_or_headers() {
    let (gate, _upstream) = gate("", "").await;
    let forged = json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [],
        "vmx": {"metadata": {"workspace": "other", "environment": "prod", "client.address": "10.0.0.1"}}});
    let request = post(&gate, &path("search", "test"))
        .body(forged.to_string())
        .header("x-vmx-metadata-workspace", "other")
        .header("x-vmx-workspace", "other");
    assert_eq!(gate.ask(&request).await.status, 200, "served");
    let plain = post(&gate, "/v1/messages").body(forged.to_string());
    assert_eq!(gate.ask(&plain).await.status, 200, "served");
    // Those of two connections may be written in either order.
    let mut receipts = gate.receipts_when(2).await;
    receipts.sort_by_key(|receipt| receipt.get("workspace").is_none());
    assert_eq!(
        (&receipts[0]["workspace"], &receipts[0]["environment"]),
        (&json!("search"), &json!("test")),
        "the path's word stands: {}",
        receipts[0]
    );
    assert!(
        receipts[1].get("workspace").is_none() && receipts[1].get("environment").is_none(),
        "and nothing is made up where the path has none: {}",
        receipts[1]
    );
    assert_eq!(
        receipts[1]["client"]["address"], "127.0.0.1",
        "{}",
        receipts[1]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_test_them() {
    let rules = "[[settings.rules]]\nname = \"no tests in production\"\n\
        when = [{ field = \"workspace\", is = [\"sear*\"] }, { field = \"environment\", is = [\"prod\"] }]\n\
        block = { message = \"closed\" }\n";
    let (gate, _upstream) = gate("route", rules).await;
    for (workspace, environment, wanted) in [
        ("search", "prod", 400),
        ("search", "test", 200),
        ("other", "prod", 200),
    ] {
        let response = gate.ask(&post(&gate, &path(workspace, environment))).await;
        assert_eq!(
            response.status,
            wanted,
            "{workspace}/{environment}: {}",
            response.text()
        );
    }
    let response = gate.ask(&post(&gate, "/v1/messages")).await;
    assert_eq!(response.status, 200, "in none: {}", response.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_theirs() {
    let limits = "[[settings.tiers.pro.limits]]\naccount = \"workspace\"\nwindow = \"total\"\nrequests = 2\n\
        [[settings.tiers.pro.limits]]\naccount = \"environment\"\nwindow = \"total\"\nrequests = 1\n";
    let (gate, _upstream) = gate("budget", limits).await;
    for (workspace, environment, wanted) in [
        ("search", "prod", 200),
        ("search", "prod", 429),
        ("search", "test", 200),
        ("search", "third", 429),
        ("other", "prod", 200),
    ] {
        let response = gate.ask(&post(&gate, &path(workspace, environment))).await;
        assert_eq!(
            response.status,
            wanted,
            "{workspace}/{environment}: {}",
            response.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_bound_asks_from_its_own_only() {
    let (gate, upstream) = gate("", "").await;
    let bound = Caller::admit(
        &gate,
        "bob",
        "bolt",
        "workspaces = [\"search\"]\nenvironments = [\"test\", \"dev-*\"]",
    )
    .await;
    let mut served = 0;
    for (path, wanted) in [
        (path("search", "test"), 200),
        (path("search", "dev-1"), 200),
        (path("search", "prod"), 403),
        (path("other", "test"), 403),
        ("/v1/messages".to_owned(), 403),
        ("/v1/models".to_owned(), 403),
    ] {
        let response = gate.ask(&bound.keyed(post(&gate, &path))).await;
        assert_eq!(response.status, wanted, "{path}: {}", response.text());
        served += usize::from(wanted == 200);
        if wanted == 403 {
            let body = response.json();
            assert_eq!(body["error"]["type"], "permission_error", "{path}: {body}");
        }
    }
    assert_eq!(
        upstream.requests().len(),
        served,
        "what is outside is not forwarded"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_bound_to_one_is_in_it_on_every_path() {
    let (gate, _upstream) = gate("", "").await;
    let more = "workspaces = [\"search\"]\nenvironments = [\"prod\"]";
    let bound = Caller::admit(&gate, "bob", "bolt", more).await;
    let response = gate.ask(&bound.keyed(post(&gate, "/v1/messages"))).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["workspace"], "search", "{receipt}");
    assert_eq!(receipt["environment"], "prod", "{receipt}");
}
