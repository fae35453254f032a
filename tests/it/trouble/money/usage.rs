//! Usage that an upstream writes in an unusual way: what can be read of it counts.

use serde_json::{Value, json};

use crate::harness::{Answer, Events, GatewayBuilder, TestGateway, Upstream};

async fn receipt(answer: Answer, stream: bool) -> (TestGateway, Value) {
    let upstream = Upstream::always(answer).await;
    let gate = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .start()
        .await;
    let body =
        json!({"model": "claude-haiku-4-5", "max_tokens": 900, "messages": [], "stream": stream});
    let response = gate.ask(&gate.messages(&body)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let receipt = gate.only_receipt().await;
    (gate, receipt)
}

fn check(receipt: &Value, metrics: &str, unread: i64) {
    let usage = &receipt["usage"];
    assert_eq!(usage["source"], "reported", "{receipt}");
    assert_eq!(usage["input_tokens"], 21_000, "{receipt}");
    assert_eq!(usage["output_tokens"], 500, "{receipt}");
    assert_eq!(
        usage["unread"], unread,
        "it is said what could not be read: {receipt}"
    );
    // Haiku 4.5: 1 and 5 USD per million tokens.
    let cost: i64 = 21_000 * 1_000_000 + 500 * 5_000_000;
    assert_eq!(
        receipt["cost_picousd"], cost,
        "all of it is paid: {receipt}"
    );
    assert!(
        metrics.contains(&format!("witgate_usage_unread_total {unread}\n")),
        "and counted: {metrics}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_of_a_usage_that_cannot_be_read_costs_only_itself() {
    let usage = json!({
        "input_tokens": 21_000, "output_tokens": 500.0, "service_tier": {"name": "standard"},
        "iterations": 1, "cache_creation": {"ephemeral_5m_input_tokens": "many"},
    });
    let (gate, answered) = receipt(Answer::message("claude-haiku-4-5", "hi", &usage), false).await;
    check(&answered, gate.admin("/metrics").await.text(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_holds_for_a_stream() {
    let start = json!({"input_tokens": 2.1e4, "cache_read_input_tokens": "none"});
    let events = Events::begin_with_usage("claude-haiku-4-5", start)
        .text(&["a", "b"])
        .frame(concat!(
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":7},",
            "\"usage\":{\"output_tokens\":5e2,\"server_tool_use\":true}}\n\n",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ));
    let (gate, streamed) = receipt(Answer::sse(&events), true).await;
    check(&streamed, gate.admin("/metrics").await.text(), 2);
}
