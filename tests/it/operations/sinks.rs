//! Further sinks of receipts.

use serde_json::{Value, json};

use crate::harness::{Answer, GatewayBuilder, Recorded, TestGateway, Upstream, within_timeout};

const TOKEN: &str = "tok-hidden";

async fn gate(upstream: &Upstream, server: &Upstream, more: &str) -> TestGateway {
    let sink = |kind: &str| {
        format!(
            "[receipts.sinks.{kind}]\ntype = \"{kind}\"\nurl = \"{}/{kind}?a=1\"\n\
             headers = {{ x-token = {{ value = \"{TOKEN}\" }} }}\n{more}",
            server.url()
        )
    };
    GatewayBuilder::shipped()
        .upstream("default", upstream)
        .extra(&[sink("webhook"), sink("otlp")].concat())
        .start()
        .await
}

async fn ask(gate: &TestGateway) {
    let body = json!({"model": "claude-sonnet-5-5", "max_tokens": 5, "messages": []});
    let answered = gate.ask(&gate.messages(&body)).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
}

/// Waits until `enough` of the requests to a path.
async fn got(server: &Upstream, path: &str, enough: impl Fn(&[Recorded]) -> bool) -> Vec<Recorded> {
    within_timeout("receipts to arrive", async {
        loop {
            let mut requests = server.requests();
            requests.retain(|request| request.target().starts_with(path));
            if enough(&requests) {
                return requests;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_reach_a_webhook_and_a_collector_once_each() {
    let upstream = Upstream::answering().await;
    let server = Upstream::always(Answer::json(200, &[], &json!({}))).await;
    let gate = gate(&upstream, &server, "").await;
    ask(&gate).await;
    let receipt = gate.only_receipt().await;
    let posted = got(&server, "/webhook", |requests| !requests.is_empty()).await;
    assert_eq!(posted[0].method(), "POST", "a request");
    assert_eq!(posted[0].target(), "/webhook?a=1", "its query, too");
    assert_eq!(posted[0].headers.get("x-token"), Some(TOKEN), "its header");
    let mut line: Value = serde_json::from_slice(&posted[0].body).expect("a line");
    assert_eq!(line["id"], receipt["id"], "the receipt");
    line["chain"] = receipt["chain"].clone();
    assert_eq!(line, receipt, "all of it but for the chain of the file");

    let posted = got(&server, "/otlp", |requests| !requests.is_empty()).await;
    let logs: Value = serde_json::from_slice(&posted[0].body).expect("logs");
    let record = &logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    let id = json!({"key": "id", "value": {"stringValue": receipt["id"]}});
    assert!(
        record["attributes"].as_array().unwrap().contains(&id),
        "{record}"
    );

    for page in ["/metrics", "/config"] {
        let page = gate.admin(page).await;
        assert!(!page.text().contains(TOKEN), "{}", page.text());
    }
    // It is counted once its answer has been read.
    let line = "witgate_receipts_sink_delivered_total{sink=\"webhook\"} 1";
    within_timeout("the delivery to be counted", async {
        while !gate.admin("/metrics").await.text().contains(line) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_is_away_holds_up_nothing_and_gets_its_receipts_when_it_is_back() {
    let upstream = Upstream::answering().await;
    let mut count = 0;
    let server = Upstream::start_with(move |_| {
        count += 1;
        match count {
            1..=2 => Answer::error(503, "api_error", "away"),
            _ => Answer::json(200, &[], &json!({})),
        }
    })
    .await;
    let gate = gate(&upstream, &server, "").await;
    ask(&gate).await;
    let receipt = gate.only_receipt().await;
    assert_eq!(gate.admin("/readyz").await.status, 200, "it is ready");
    let posted = got(&server, "/webhook", |requests| requests.len() > 1).await;
    let line: Value = serde_json::from_slice(&posted[1].body).expect("a line");
    assert_eq!(line["id"], receipt["id"], "again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_sink_is_delivered_at_the_end() {
    let upstream = Upstream::answering().await;
    let server = Upstream::always(Answer::json(200, &[], &json!({}))).await;
    let gate = gate(&upstream, &server, "").await;
    ask(&gate).await;
    let _drained = gate.drain().await;
    for path in ["/webhook", "/otlp"] {
        let posted = got(&server, path, |_| true).await;
        assert_eq!(posted.len(), 1, "{path}");
    }
}
