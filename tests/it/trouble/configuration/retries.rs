//! Retries are on by default, so they must not do anything twice.

use serde_json::json;

use crate::harness::{Answer, GatewayBuilder, Request, TestGateway, Upstream};

/// A gateway whose upstream is tried twice more, without long waits.
async fn gate(upstream: &Upstream, more: &str) -> TestGateway {
    let table = format!(
        "[upstreams.only]\nbase_url = \"{}\"\nretry = {{ base_ms = 1, cap_ms = 1 }}\nbreaker = false\n{more}\n\
         [state]\ndirectory = \"state\"\n",
        upstream.url()
    );
    GatewayBuilder::shipped().extra(&table).start().await
}

fn creation(gate: &TestGateway) -> Request {
    let params = json!({"model": "claude-haiku-4-5", "max_tokens": 1, "messages": []});
    let body = json!({"requests": [{"custom_id": "one", "params": params}]});
    gate.keyed(Request::new("POST", "/v1/messages/batches"))
        .header("Host", "gateway.test")
        .header("anthropic-version", "2023-06-01")
        .body(body.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_creates_a_batch_is_sent_once() {
    for answer in [
        Answer::error(500, "api_error", "broken"),
        Answer::error(529, "overloaded_error", "busy"),
        Answer::hang_up(),
    ] {
        let upstream = Upstream::always(answer).await;
        let gate = gate(&upstream, "").await;
        let response = gate.ask(&creation(&gate)).await;
        assert!(response.status >= 500, "it fails: {}", response.text());
        assert_eq!(
            upstream.requests().len(),
            1,
            "the upstream may have created it all the same"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_used_up_its_time_is_not_asked_again() {
    let upstream = Upstream::always(Answer::never()).await;
    let gate = gate(&upstream, "head_timeout_ms = 200").await;
    let body = json!({"model": "claude-haiku-4-5", "max_tokens": 1, "messages": []});
    let response = gate.ask(&gate.messages(&body)).await;
    assert_eq!(response.status, 504, "{}", response.text());
    assert_eq!(
        upstream.requests().len(),
        1,
        "its client has waited long enough"
    );
}
