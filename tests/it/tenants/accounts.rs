//! Limits in every unit and window, on sessions and on thinking, and a caller's own cap.

use serde_json::{Value, json};
use witgate_artifacts::BUDGET;

use crate::harness::{Answer, GatewayBuilder, Request, Response, TestGateway, Upstream};

const CAP: &str = "x-witgate-max-cost";
const SESSION: &str = "x-claude-code-session-id";

async fn upstream() -> Upstream {
    let usage = json!({
        "input_tokens": 10, "output_tokens": 20,
        "cache_read_input_tokens": 300, "cache_creation_input_tokens": 4000,
    });
    Upstream::always(Answer::message("claude-haiku-4-5", "hi", &usage)).await
}

async fn gate(sidecar: &str, upstream: &Upstream) -> TestGateway {
    GatewayBuilder::shipped()
        .plugin("budget", BUDGET, sidecar)
        .upstream("default", upstream)
        .start()
        .await
}

fn limits(limits: &[&str]) -> String {
    let limit =
        |limit: &&str| format!("[[settings.tiers.pro.limits]]\naccount = \"key\"\n{limit}\n");
    limits.iter().map(limit).collect()
}

fn asking(gate: &TestGateway) -> Request {
    gate.messages(&json!({
        "model": "claude-haiku-4-5", "max_tokens": 50,
        "messages": [{"role": "user", "content": "hi"}],
    }))
}

async fn account(gate: &TestGateway, unit: &str) -> Value {
    let budgets = gate.admin("/budgets").await.json();
    let accounts = budgets["accounts"].as_array().expect("a list");
    let found = accounts.iter().find(|account| account["unit"] == unit);
    found.cloned().unwrap_or_default()
}

fn is_over(response: &Response, told: &str) {
    assert_eq!(response.status, 429, "{}", response.text());
    assert!(response.text().contains(told), "{}", response.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_tokens_is_counted_as_the_answer_reports_it() {
    let upstream = upstream().await;
    let sidecar = limits(&[
        "window = \"week\"\ninput_tokens = 100000",
        "window = \"day@Asia/Kolkata\"\noutput_tokens = 100000",
        "window = \"last-5-hours\"\ncached_tokens = 100000",
        "window = \"month@America/New_York\"\ntokens = 100000",
    ]);
    let gate = gate(&sidecar, &upstream).await;
    for _ in 0..2 {
        assert_eq!(gate.ask(&asking(&gate)).await.status, 200, "it fits");
    }
    gate.receipts_when(2).await;
    for (unit, window, used) in [
        ("input-tokens", "week", 8020),
        ("output-tokens", "day@Asia/Kolkata", 40),
        ("cached-tokens", "last-5-hours", 600),
        ("tokens", "month@America/New_York", 8660),
    ] {
        let account = account(&gate, unit).await;
        assert_eq!(account["used"], used, "{account}");
        assert_eq!(account["window"], window, "{account}");
        assert_eq!(account["held"], 0, "{account}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_does_not_exist_refuses_the_settings() {
    let upstream = upstream().await;
    let sidecar = limits(&["window = \"day@Europe/Berlin\"\nrequests = 1"]);
    let gate = gate(&sidecar, &upstream).await;
    let worse = sidecar.replace("Berlin", "Atlantis");
    gate.change_policies_in_vain(|policies| {
        std::fs::write(policies.join("budget.toml"), &worse).expect("it can be written");
    })
    .await;
    let status = gate.plugin_status("budget").await;
    assert!(
        status
            .to_string()
            .contains("unknown time zone `Europe/Atlantis`"),
        "{status}"
    );
    assert_eq!(
        gate.ask(&asking(&gate)).await.status,
        200,
        "the last good one serves"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_session_waits_until_one_of_two_is_unused() {
    let upstream = upstream().await;
    let sidecar = limits(&["window = \"last-15-minutes\"\nsessions = 2"]);
    let gate = gate(&sidecar, &upstream).await;
    let session = |name: &str| asking(&gate).header(SESSION, name);
    for name in ["a", "b", "a", "b"] {
        assert_eq!(
            gate.ask(&session(name)).await.status,
            200,
            "{name} is one of two"
        );
    }
    is_over(&gate.ask(&session("c")).await, "2 sessions in use");
    is_over(&gate.ask(&asking(&gate)).await, "2 sessions in use");
    assert_eq!(gate.ask(&session("a")).await.status, 200, "a goes on");
    assert_eq!(upstream.requests().len(), 5, "no other was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thinking_is_lowered_to_the_limit_and_the_receipt_says_so() {
    let upstream = upstream().await;
    let gate = gate(&limits(&["thinking_tokens = 2000"]), &upstream).await;
    let thinking = |thinking: Value| {
        gate.messages(&json!({
            "model": "claude-haiku-4-5", "max_tokens": 64000, "thinking": thinking,
            "messages": [{"role": "user", "content": "hi"}],
        }))
    };
    let much = json!({"type": "enabled", "budget_tokens": 32000, "display": "omitted"});
    for (asked, sent) in [
        (
            much,
            json!({"type": "enabled", "budget_tokens": 2000, "display": "omitted"}),
        ),
        (
            json!({"type": "enabled", "budget_tokens": 1024}),
            json!({"type": "enabled", "budget_tokens": 1024}),
        ),
        (json!({"type": "adaptive"}), json!({"type": "adaptive"})),
    ] {
        let response = gate.ask(&thinking(asked)).await;
        assert_eq!(response.status, 200, "{}", response.text());
        let body = upstream.next_request().await.json();
        assert_eq!(body["thinking"], sent, "as it was sent");
    }
    let receipts = gate.receipts_when(3).await;
    let told: Vec<_> = receipts
        .iter()
        .map(|receipt| receipt["thinking"]["asked_tokens"].as_u64())
        .collect();
    assert_eq!(told, [Some(32000), None, None], "{receipts:?}");
    assert_eq!(
        receipts[0]["thinking"]["allowed_tokens"], 2000,
        "{receipts:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callers_own_cap_ends_its_session_and_no_other() {
    let upstream = upstream().await;
    let gate = gate("", &upstream).await;
    // An answer costs half a cent.
    let capped = |session: &str, cap: &str| asking(&gate).header(SESSION, session).header(CAP, cap);
    for _ in 0..2 {
        let response = gate.ask(&capped("a", "0.008")).await;
        assert_eq!(response.status, 200, "{}", response.text());
        gate.receipts_when(1).await;
    }
    gate.receipts_when(2).await;
    let refused = gate.ask(&capped("a", "0.008")).await;
    is_over(&refused, "own cap of $0.008");
    assert_eq!(
        refused.json()["error"]["type"],
        "billing_error",
        "{}",
        refused.text()
    );
    assert_eq!(
        refused.headers.get("x-should-retry"),
        Some("false"),
        "it does not help"
    );
    assert_eq!(
        gate.ask(&capped("b", "0.008")).await.status,
        200,
        "another session"
    );
    assert_eq!(
        gate.ask(&capped("a", "5")).await.status,
        200,
        "a higher cap"
    );
    for request in upstream.requests() {
        assert_eq!(request.headers.get(CAP), None, "it is not sent on");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cap_without_a_session_is_for_the_request_alone() {
    let upstream = upstream().await;
    let gate = gate("", &upstream).await;
    for _ in 0..3 {
        let response = gate.ask(&asking(&gate).header(CAP, "0.001")).await;
        assert_eq!(response.status, 200, "{}", response.text());
    }
    is_over(
        &gate.ask(&asking(&gate).header(CAP, "0.00000001")).await,
        "own cap",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cap_that_is_no_amount_or_can_not_be_kept_is_refused() {
    let upstream = upstream().await;
    let gate = gate("", &upstream).await;
    for cap in ["much", "-1", "1e3", "$2", "0.0000000000001", ""] {
        let response = gate.ask(&asking(&gate).header(CAP, cap)).await;
        assert_eq!(response.status, 400, "{cap}: {}", response.text());
        assert!(response.text().contains(CAP), "{cap}: {}", response.text());
    }
    let unknown =
        gate.messages(&json!({"model": "claude-next-9", "max_tokens": 5, "messages": []}));
    let response = gate.ask(&unknown.header(CAP, "1")).await;
    assert_eq!(response.status, 400, "{}", response.text());
    assert!(response.text().contains("no price"), "{}", response.text());
    assert_eq!(upstream.requests().len(), 0, "nothing was sent");
    let body = json!({"model": "claude-haiku-4-5", "messages": []});
    let count = Request::new("POST", "/v1/messages/count_tokens").body(body.to_string());
    let counted = gate.ask(&gate.keyed(count).header(CAP, "0")).await;
    assert_eq!(counted.status, 200, "counting is free: {}", counted.text());
}
