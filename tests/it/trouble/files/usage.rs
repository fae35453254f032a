//! The sums of usage while their database or receipts files are damaged or missing.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{GatewayBuilder, Request, TestGateway, Upstream, text, witgate};

fn builder(upstream: &Upstream) -> GatewayBuilder {
    GatewayBuilder::bare()
        .extra("[state]\ndirectory = \"state\"\n")
        .upstream("default", upstream)
}

async fn ask(gate: &TestGateway) -> u16 {
    let body = json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []});
    gate.ask(&gate.messages(&body)).await.status
}

/// Deletes the database as an operator does.
fn delete(state: &Path) {
    for name in ["usage.db", "usage.db-wal", "usage.db-shm"] {
        let _missing = std::fs::remove_file(state.join(name));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_that_were_deleted_or_damaged_are_added_up_again_while_traffic_goes_on() {
    let upstream = Upstream::answering().await;
    let gate = builder(&upstream).start().await;
    let state = gate.file("state");
    assert_eq!(ask(&gate).await, 200);
    gate.receipts_when(1).await;
    let requests = async || gate.admin("/usage").await.json()["total"]["requests"].clone();
    assert_eq!(requests().await, 1, "before");
    delete(&state);
    assert_eq!(requests().await, 1, "added up again");

    delete(&state);
    std::fs::write(state.join("usage.db"), "no database").unwrap();
    let page = gate.admin("/usage").await;
    assert_eq!(page.status, 503, "it is told: {}", page.text());
    gate.metric_when("witgate_usage_failing 1").await;
    assert_eq!(ask(&gate).await, 200, "traffic goes on");
    gate.receipts_when(2).await;
    delete(&state);
    assert_eq!(requests().await, 2, "nothing is missing");
    gate.metric_when("witgate_usage_failing 0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipts_file_that_is_damaged_is_told_on_pages_and_by_commands() {
    let upstream = Upstream::answering().await;
    let gate = builder(&upstream).start().await;
    let damaged = gate.file("receipts-refused.jsonl.000001.zst");
    std::fs::write(&damaged, "no frame").unwrap();
    assert_eq!(ask(&gate).await, 200);
    gate.receipts_when(1).await;
    let page = gate.admin("/usage").await.json();
    assert_eq!(page["total"]["requests"], 1, "the rest counts: {page}");
    assert_eq!(page["incomplete"], true, "{page}");
    let file = page["damaged"][0]["file"].as_str().unwrap();
    assert!(
        file.ends_with("receipts-refused.jsonl.000001.zst"),
        "{page}"
    );
    gate.metric_when("witgate_usage_damaged_files 1").await;
    let own = gate
        .ask(&gate.keyed(Request::new("GET", "/v1/usage")))
        .await;
    let own = own.json();
    assert_eq!(own["incomplete"], true, "its caller is told: {own}");
    assert_eq!(own["damaged"], Value::Null, "and of no files: {own}");

    let usage = witgate(&gate.file(""), &["usage"]);
    let query = witgate(&gate.file(""), &["receipts", "query"]);
    let told = |output| text(output).contains("000001.zst can't be read to its end");
    assert!(usage.status.success() && told(&usage), "{}", text(&usage));
    assert!(!query.status.success() && told(&query), "{}", text(&query));
    assert!(
        text(&query).contains("claude-haiku-4-5"),
        "what was found is printed: {}",
        text(&query)
    );
    std::fs::remove_file(damaged).unwrap();
    let page = gate.admin("/usage").await.json();
    assert_eq!(page["incomplete"], Value::Null, "all is there: {page}");
}
