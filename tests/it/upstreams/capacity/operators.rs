//! What operators see of a capacity, and what a reload leaves of it.

use serde_json::json;

use super::{TERMS, ask, body, capacity, sharing, used};
use crate::harness::{GatewayBuilder, Installation, TestGateway, Upstream};
use crate::upstreams::{shown, table};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_upstreams_and_the_metrics_show_use_need_and_decisions() {
    let upstream = Upstream::answering().await;
    let gate = sharing(&upstream, "requests_per_minute = 10").await;
    for _ in 0..4 {
        assert_eq!(ask(&gate, "chat", 5).await, 200, "served");
        assert_eq!(ask(&gate, "batch", 5).await, 200, "lent");
    }
    assert_eq!(ask(&gate, "batch", 5).await, 429, "gives way");

    let shown = shown(&gate, "default").await;
    let limit = &shown["capacity"]["limits"][0];
    assert_eq!(
        json!([
            limit["unit"],
            limit["window"],
            limit["limit"],
            limit["used"]
        ]),
        json!(["requests", "minute", 10, 8]),
        "{shown}"
    );
    assert_eq!(
        limit["resources"],
        json!([
            {"resource": "*", "used": 0, "need": 0},
            {"resource": "batch", "used": 4, "need": 6},
            {"resource": "chat", "used": 4, "need": 6},
        ]),
        "{shown}"
    );
    assert_eq!(
        shown["capacity"]["decisions"],
        json!([
            {"resource": "*", "admitted": 0, "refused": 0, "given_way": 0},
            {"resource": "batch", "admitted": 4, "refused": 1, "given_way": 0},
            {"resource": "chat", "admitted": 4, "refused": 0, "given_way": 1},
        ]),
        "{shown}"
    );
    let page = gate.admin("/metrics").await;
    for line in [
        "capacity_limit{upstream=\"default\",unit=\"requests\",window=\"minute\"} 10",
        "capacity_used{upstream=\"default\",unit=\"requests\",window=\"minute\",resource=\"chat\"} 4",
        "capacity_need{upstream=\"default\",unit=\"requests\",window=\"minute\",resource=\"chat\"} 6",
        "capacity_admitted_total{upstream=\"default\",resource=\"batch\"} 4",
        "capacity_refused_total{upstream=\"default\",resource=\"batch\"} 1",
        "capacity_given_way_total{upstream=\"default\",resource=\"chat\"} 1",
    ] {
        let line = format!("\nwitgate_{line}\n");
        assert!(page.text().contains(&line), "{line} in {}", page.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_without_a_capacity_has_no_such_figures() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .start()
        .await;
    assert_eq!(ask(&gate, "chat", 5).await, 200, "served");
    assert!(shown(&gate, "default").await["capacity"].is_null(), "none");
    let page = gate.admin("/metrics").await;
    assert!(!page.text().contains("witgate_capacity"), "no family");
}

/// Changes the configuration of a running gateway.
async fn reload(gate: &TestGateway, from: &str, to: &str) {
    let file = gate.file("witgate.toml");
    let text = std::fs::read_to_string(&file).expect("a configuration");
    assert!(text.contains(from), "{from} in {text}");
    std::fs::write(&file, text.replace(from, to)).expect("it is written");
    let reloaded = gate.running().reload().await;
    reloaded.expect("the new configuration is right");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_keeps_what_was_used() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .extra(&table("default", &upstream.url(), ""))
        .extra(&capacity("default", "requests_per_minute = 2"))
        .start()
        .await;
    for _ in 0..2 {
        assert_eq!(ask(&gate, "chat", 5).await, 200, "served");
    }
    gate.running().reload().await.expect("it is as it was");
    assert_eq!(ask(&gate, "chat", 5).await, 429, "nothing is forgotten");
    reload(&gate, "requests_per_minute = 2", "requests_per_minute = 3").await;
    assert_eq!(used(&gate).await, 2, "a changed limit goes on from there");
    assert_eq!(ask(&gate, "chat", 5).await, 200, "one more");
    assert_eq!(ask(&gate, "chat", 5).await, 429, "and no other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_changes_the_terms_keeps_what_was_used() {
    let upstream = Upstream::answering().await;
    let gate = sharing(&upstream, "requests_per_minute = 4").await;
    for _ in 0..3 {
        assert_eq!(ask(&gate, "batch", 5).await, 200, "lent");
    }
    reload(
        &gate,
        "[resources.batch]\npriority = 1",
        "[resources.batch]\nceiling_percent = 50",
    )
    .await;
    assert_eq!(ask(&gate, "batch", 5).await, 429, "its part is used");
    assert_eq!(ask(&gate, "chat", 5).await, 200, "the last one");
    assert_eq!(used(&gate).await, 4, "all of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_process_takes_over_what_was_used() {
    let upstream = Upstream::answering().await;
    let builder = GatewayBuilder::bare()
        .extra("[upgrade]\nsocket = \"witgate.sock\"\n")
        .extra(&table("default", &upstream.url(), ""))
        .extra(&capacity("default", "requests_per_day = 4"))
        .extra(TERMS);
    let installation = Installation::new(&builder);
    let old = installation.start().await;
    let of = |resource: &str| installation.messages(&body(resource, 5));
    for _ in 0..2 {
        let served = old.client().await.ask(&of("chat")).await;
        assert_eq!(served.status, 200, "{}", served.text());
    }
    let new = installation.upgrade().await;
    // Until then it may have accepted a connection.
    old.ended().await;
    let mut client = new.client().await;
    assert_eq!(client.ask(&of("batch")).await.status, 200, "lent");
    let refused = client.ask(&of("batch")).await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert_eq!(client.ask(&of("chat")).await.status, 200, "kept");
    assert_eq!(client.ask(&of("chat")).await.status, 429, "four in all");
}
