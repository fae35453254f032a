//! Attempts to have receipts rotated away by sheer volume.

use serde_json::{Value, json};
use witgate_gateway::receipts_files::Lines;

use crate::harness::{GatewayBuilder, Request, TestGateway, Upstream};

fn body() -> Value {
    json!({"model": "claude-sonnet-5-5", "max_tokens": 5, "messages": []})
}

fn stranger() -> Request {
    Request::new(&"A".repeat(50_000), "/v1/messages").header("Host", "gateway.test")
}

/// A gateway whose receipts file is rotated away by little.
fn small() -> GatewayBuilder {
    GatewayBuilder::shipped().receipts("rotate_bytes = 65536\nkeep = 1")
}

fn text_of(gate: &TestGateway) -> String {
    let lines = Lines::open(&gate.file("receipts.jsonl"), None).unwrap();
    let text = |line: std::io::Result<Vec<u8>>| String::from_utf8(line.unwrap()).unwrap() + "\n";
    lines.map(text).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_cannot_have_the_receipts_of_tenants_rotated_away() {
    let upstream = Upstream::answering().await;
    let gate = small().upstream("default", &upstream).start().await;
    let answered = gate.ask(&gate.messages(&body())).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
    let id = answered
        .headers
        .get("witgate-request-id")
        .unwrap()
        .to_owned();
    let mut client = gate.client().await;
    for _ in 0..400 {
        if client.ask(&stranger()).await.status != 401 {
            client = gate.client().await;
        }
    }
    gate.running().flush().await;
    let kept = text_of(&gate);
    assert!(kept.contains(&id), "the tenant's receipt is still there");
    assert!(
        !kept.contains("no key"),
        "no receipt of a stranger is in the tenants' file"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_whose_requests_are_refused_cannot_have_receipts_of_others_rotated_away() {
    let upstream = Upstream::answering().await;
    let gate = small().upstream("default", &upstream).start().await;
    let answered = gate.ask(&gate.messages(&body())).await;
    let id = answered
        .headers
        .get("witgate-request-id")
        .unwrap()
        .to_owned();
    let mut client = gate.client().await;
    let refused = gate.keyed(Request::new("GET", &format!("/v1/{}", "x".repeat(1000))));
    for _ in 0..400 {
        assert_eq!(client.ask(&refused).await.status, 404, "it is not served");
    }
    gate.running().flush().await;
    assert!(text_of(&gate).contains(&id), "the other's receipt is there");
    assert!(
        !text_of(&gate).contains("/v1/xxx"),
        "what never got anywhere is in the other file"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_beyond_a_rate_leave_no_receipt_and_are_counted() {
    let upstream = Upstream::answering().await;
    let gate = small()
        .receipts("refused_per_second = 1")
        .upstream("default", &upstream)
        .start()
        .await;
    let mut client = gate.client().await;
    let stranger = Request::new("GET", "/v1/models").header("Host", "gateway.test");
    for _ in 0..300 {
        assert_eq!(client.ask(&stranger).await.status, 401, "no key");
    }
    let receipts = gate.receipts_when(1).await;
    let metrics = gate.admin("/metrics").await.text().to_owned();
    let left_out: usize = metrics
        .lines()
        .find_map(|line| line.strip_prefix("witgate_receipts_left_out_total "))
        .expect("the metric is there")
        .parse()
        .unwrap();
    assert!(left_out > 0, "some are left out");
    assert_eq!(receipts.len() + left_out, 300, "and each is counted");
    let known = gate.keyed(Request::new("GET", "/v1/nothing"));
    assert_eq!(gate.ask(&known).await.status, 404, "a tenant's");
    let receipts = gate.receipts_when(receipts.len() + 1).await;
    assert!(
        receipts.iter().any(|receipt| receipt["status"] == 404),
        "one key's rate is not another's"
    );
}
