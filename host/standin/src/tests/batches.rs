//! Batches, from their creation to their end.

use serde_json::{Value, json};

use super::caller::{Caller, Got, KEY, ask};

async fn create(caller: &mut Caller, scenario: &str) -> Got {
    let requests = [
        json!({"custom_id": "one", "params": ask("hi")}),
        json!({"custom_id": "two", "params": {"model": "claude-none", "max_tokens": 1, "messages": [{}]}}),
    ];
    let headers = format!("{KEY}x-standin: {scenario}\r\n");
    let body = json!({"requests": requests}).to_string();
    caller
        .ask("POST /v1/messages/batches", &headers, &body)
        .await
}

fn id(got: &Got) -> String {
    got.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_batch_ends_at_once_and_has_a_result_for_each_request() {
    let mut caller = Caller::new().await;
    let created = create(&mut caller, "").await;
    assert_eq!(created.status, 200, "{}", created.json());
    let shown = created.json();
    assert_eq!(shown["processing_status"], "ended", "{shown}");
    assert_eq!(shown["request_counts"]["succeeded"], 1, "{shown}");
    assert_eq!(shown["request_counts"]["errored"], 1, "{shown}");

    let path = shown["results_url"].as_str().unwrap();
    let results = caller.ask(&format!("GET {path}"), KEY, "").await;
    let lines: Vec<Value> = String::from_utf8_lossy(&results.body)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "a line for each request");
    assert_eq!(lines[0]["custom_id"], "one", "{}", lines[0]);
    let usage = &lines[0]["result"]["message"]["usage"];
    assert_eq!(usage["service_tier"], "batch", "{usage}");
    assert_eq!(
        lines[1]["result"]["error"]["error"]["type"], "not_found_error",
        "{}",
        lines[1]
    );
}

#[tokio::test]
async fn a_batch_that_runs_can_be_canceled_and_then_deleted() {
    let mut caller = Caller::new().await;
    let id = id(&create(&mut caller, "batch-ms=3600000").await);
    let path = format!("/v1/messages/batches/{id}");
    let shown = caller.ask(&format!("GET {path}"), KEY, "").await.json();
    assert_eq!(shown["processing_status"], "in_progress", "{shown}");
    assert_eq!(shown["request_counts"]["processing"], 2, "{shown}");
    for early in [format!("DELETE {path}"), format!("GET {path}/results")] {
        let refused = caller.ask(&early, KEY, "").await;
        assert_eq!(refused.status, 400, "{early} before the end");
    }
    let canceled = caller.ask(&format!("POST {path}/cancel"), KEY, "").await;
    let counts = &canceled.json()["request_counts"];
    assert_eq!(counts["canceled"], 2, "{counts}");
    let deleted = caller.ask(&format!("DELETE {path}"), KEY, "").await;
    assert_eq!(deleted.status, 200, "what has ended can be deleted");
    let gone = caller.ask(&format!("GET {path}"), KEY, "").await;
    assert_eq!(gone.status, 404, "and is gone");
}

#[tokio::test]
async fn batches_are_listed_newest_first_page_by_page() {
    let mut caller = Caller::new().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.insert(0, id(&create(&mut caller, "").await));
    }
    let list = "GET /v1/messages/batches?limit=2";
    let first = caller.ask(list, KEY, "").await.json();
    assert_eq!(first["first_id"], *ids[0], "{first}");
    assert_eq!(first["last_id"], *ids[1], "{first}");
    assert_eq!(first["has_more"], true, "{first}");
    let next = format!("{list}&after_id={}", ids[1]);
    let second = caller.ask(&next, KEY, "").await.json();
    assert_eq!(second["data"].as_array().unwrap().len(), 1, "{second}");
    assert_eq!(second["has_more"], false, "{second}");
}
