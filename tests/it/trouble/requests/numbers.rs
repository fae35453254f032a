//! Members that policy reads, written as the upstream may or may not take them.

use serde_json::json;
use witgate_artifacts::{BUDGET, ROUTE};

use crate::harness::{Answer, Caller, GatewayBuilder, Request, TestGateway, Upstream};

/// A rule on `max_tokens`, one on `model` that comes last, and no model without a resource.
const RULES: &str = "[settings]\nunmatched = \"refuse\"\n\
    [[settings.rules]]\nname = \"short answers\"\nwhen = [{ field = \"max_tokens\", at_least = 100 }]\n\
    block = { message = \"too long\" }\n\
    [[settings.resources]]\nname = \"claude-*\"\ntargets = [{ upstream = \"default\" }]\n";

fn post(gate: &TestGateway, body: &str) -> Request {
    gate.keyed(Request::new("POST", "/v1/messages").header("Host", "gateway.test"))
        .body(body)
}

fn with(max_tokens: &str) -> String {
    format!(r#"{{"model":"claude-sonnet-5-5","max_tokens":{max_tokens},"messages":[]}}"#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_numbers_are_read_however_they_are_written() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, RULES)
        .upstream("default", &upstream)
        .start()
        .await;
    for short in [
        "99",
        "64.0",
        "6.4e1",
        "640E-1",
        "9.9e+1",
        "0.0",
        "0e999999999999",
    ] {
        let body = with(short);
        let response = gate.ask(&post(&gate, &body)).await;
        assert_eq!(response.status, 200, "{short}: {}", response.text());
        let arrived = upstream.requests().pop().expect("it was forwarded");
        assert_eq!(arrived.body, body.as_bytes(), "{short}: byte for byte");
    }
    for long in [
        "100",
        "1e2",
        "100.0",
        "10.0e1",
        "1000e-1",
        "18446744073709551615",
    ] {
        let response = gate.ask(&post(&gate, &with(long))).await;
        assert_eq!(response.status, 400, "{long}: {}", response.text());
        assert!(
            response.text().contains("too long"),
            "{long}: the rule decides: {}",
            response.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_the_upstream_can_judge_is_forwarded_as_it_is() {
    let upstream =
        Upstream::always(Answer::error(400, "invalid_request_error", "says the API")).await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    for body in [
        with("-1"),
        with("1.5"),
        with("\"64\""),
        with("1e400"),
        with("18446744073709551616"),
        with("[64]"),
        r#"{"model":7,"max_tokens":5,"messages":[]}"#.to_owned(),
        r#"{"model":["claude-sonnet-5-5"],"max_tokens":5,"messages":[]}"#.to_owned(),
        r#"{"model":"m","stream":"yes","messages":[]}"#.to_owned(),
        r#"{"model":"m","stream":1,"messages":[]}"#.to_owned(),
        r#"{"model":"m","messages":{}}"#.to_owned(),
        r#"{"model":"m","messages":"hello","tools":"none"}"#.to_owned(),
        r#"{"model":"m","metadata":[]}"#.to_owned(),
        r#"{"model":"m","metadata":{"user_id":7,"a":1,"a":2}}"#.to_owned(),
    ] {
        let response = gate.ask(&post(&gate, &body)).await;
        assert_eq!(response.status, 400, "{body}");
        assert!(
            response.text().contains("says the API"),
            "{body}: the upstream's own word: {}",
            response.text()
        );
        let arrived = upstream.requests().pop().expect("it was forwarded");
        assert_eq!(arrived.body, body.as_bytes(), "{body}: byte for byte");
    }
    // A hold ends with its receipt, a moment after the answer.
    gate.receipts_when(upstream.requests().len()).await;
    let budgets = gate.admin("/budgets").await.json();
    assert_eq!(budgets["open_holds"], 0, "no hold is left: {budgets}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_max_tokens_is_held_as_an_answer_of_the_expected_length() {
    let upstream = Upstream::answering().await;
    let limit =
        "[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"total\"\ntokens = 2000\n";
    let gate = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, limit)
        .upstream("default", &upstream)
        .start()
        .await;
    for unknown in ["\"5\"", "-1", "1.5", "1e400"] {
        let response = gate.ask(&post(&gate, &with(unknown))).await;
        assert_eq!(
            response.status,
            429,
            "{unknown} holds 4,096 tokens and not none: {}",
            response.text()
        );
    }
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
    let response = gate.ask(&post(&gate, &with("5.0"))).await;
    assert_eq!(response.status, 200, "five fit: {}", response.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_with_models_may_not_ask_for_one_that_cannot_be_read() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let bob = Caller::admit(&gate, "bob", "bolt", "models = [\"claude-sonnet-*\"]").await;
    for model in [
        json!(7),
        json!(["claude-opus-5-5"]),
        json!({"id": "claude-opus-5-5"}),
    ] {
        let message = json!({"model": model, "max_tokens": 5, "messages": []});
        for path in ["/v1/messages", "/v1/messages/count_tokens"] {
            let response = gate.ask(&bob.post(path, &message)).await;
            assert_eq!(response.status, 403, "{path} {model}: {}", response.text());
        }
    }
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_is_not_passed_by_with_a_member_that_it_cannot_read() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, RULES)
        .upstream("default", &upstream)
        .start()
        .await;
    for (body, told) in [
        (with("\"100000\""), "max_tokens"),
        (with("[100000]"), "max_tokens"),
        (r#"{"model":7,"messages":[]}"#.to_owned(), "model"),
        (
            r#"{"model":["claude-opus-5-5"],"messages":[]}"#.to_owned(),
            "model",
        ),
    ] {
        let response = gate.ask(&post(&gate, &body)).await;
        assert_eq!(response.status, 400, "{body}: {}", response.text());
        assert!(
            response.text().contains(told),
            "{body}: the member is named: {}",
            response.text()
        );
    }
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
}
