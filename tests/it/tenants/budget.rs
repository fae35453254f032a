//! Limits hold under concurrency, holds end on every path, and the account is the sum of the receipts.

use std::sync::Arc;

use serde_json::{Value, json};
use witgate_artifacts::BUDGET;

use crate::harness::{Answer, Events, GatewayBuilder, Request, TestGateway, Upstream};

fn asking(gate: &TestGateway) -> Request {
    gate.messages(&json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []}))
}

async fn budgets(gate: &TestGateway) -> Value {
    gate.admin("/budgets").await.json()
}

fn account<'a>(budgets: &'a Value, unit: &str) -> &'a Value {
    budgets["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|account| account["unit"] == unit)
        .expect("an account")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_concurrent_requests_never_pass_a_small_budget() {
    let answer = Answer::message(
        "claude-haiku-4-5",
        "hi",
        &json!({"input_tokens": 10, "output_tokens": 2}),
    );
    let upstream = Upstream::always(answer).await;
    let sidecar =
        "[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"total\"\nrequests = 40\n";
    let gate = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, sidecar)
        .upstream("default", &upstream)
        .start()
        .await;
    let gate = Arc::new(gate);
    let workers: Vec<_> = (0..50)
        .map(|_| {
            let gate = Arc::clone(&gate);
            tokio::spawn(async move {
                let mut client = gate.client().await;
                let mut served = 0;
                for _ in 0..20 {
                    let response = client.ask(&asking(&gate)).await;
                    match response.status {
                        200 => served += 1,
                        429 => assert_eq!(response.json()["type"], "error", "{}", response.text()),
                        other => panic!("{other}: {}", response.text()),
                    }
                }
                served
            })
        })
        .collect();
    let mut served = 0;
    for worker in workers {
        served += worker.await.unwrap();
    }
    assert_eq!(served, 40, "as many as the limit lets pass");
    assert_eq!(
        upstream.requests().len(),
        40,
        "no other reached the upstream"
    );
    let receipts = gate.receipts_when(1000).await;
    assert_eq!(receipts.len(), 1000, "each left a receipt");
    let budgets = budgets(&gate).await;
    assert_eq!(budgets["open_holds"], 0, "no hold is left: {budgets}");
    assert_eq!(account(&budgets, "requests")["used"], 40, "{budgets}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_spent_is_the_sum_of_the_receipts_to_the_pico() {
    let usage = json!({"input_tokens": 1000, "output_tokens": 1, "cache_read_input_tokens": 500});
    let events = Events::begin_with_usage("claude-haiku-4-5", usage)
        .text(&["a", "b"])
        .end("end_turn");
    let upstream = Upstream::always(Answer::sse(&events)).await;
    let sidecar =
        "[[settings.tiers.pro.limits]]\naccount = \"tenant\"\nwindow = \"total\"\nusd = \"1.00\"\n";
    let gate = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, sidecar)
        .upstream("default", &upstream)
        .start()
        .await;
    for _ in 0..3 {
        let body =
            json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [], "stream": true});
        assert_eq!(gate.ask(&gate.messages(&body)).await.status, 200, "served");
    }
    let receipts = gate.receipts_when(3).await;
    let sum: i64 = receipts
        .iter()
        .map(|receipt| receipt["cost_picousd"].as_i64().unwrap())
        .sum();
    let receipt = &receipts[0];
    assert_eq!(receipt["usage"]["source"], "reported", "{receipt}");
    let output = receipt["usage"]["output_tokens"].as_i64().unwrap();
    // Haiku 4.5: 1, 5 and 0.10 USD per million tokens of input, output and cache read.
    let each = 1000 * 1_000_000 + output * 5_000_000 + 500 * 100_000;
    assert_eq!(receipt["cost_picousd"], each, "the price of one: {receipt}");
    let budgets = budgets(&gate).await;
    assert_eq!(
        account(&budgets, "picousd")["used"].as_i64(),
        Some(sum),
        "{budgets}"
    );
    assert_eq!(account(&budgets, "picousd")["held"], 0, "{budgets}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_budget_says_what_is_used_up_and_that_trying_again_is_of_no_use() {
    let answer = Answer::message(
        "claude-haiku-4-5",
        "hi",
        &json!({"input_tokens": 10, "output_tokens": 2}),
    );
    let upstream = Upstream::always(answer).await;
    let sidecar =
        "[[settings.tiers.pro.limits]]\naccount = \"user\"\nwindow = \"month\"\nrequests = 1\n";
    let gate = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, sidecar)
        .upstream("default", &upstream)
        .start()
        .await;
    assert_eq!(gate.ask(&asking(&gate)).await.status, 200, "the first fits");
    let response = gate.ask(&asking(&gate)).await;
    assert_eq!(response.status, 429, "{}", response.text());
    assert_eq!(
        response.headers.get("x-should-retry"),
        Some("false"),
        "not before the month ends"
    );
    assert!(
        response.headers.get("retry-after").is_some(),
        "it says when"
    );
    let message = response.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.contains("month") && message.contains("user"),
        "whose limit, and for how long: {message}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spent_budget_may_ask_for_a_cheaper_model_instead() {
    let upstream = Upstream::start_with(|request| {
        let model = request.json()["model"].as_str().unwrap().to_owned();
        Answer::message(
            &model,
            "hi",
            &json!({"input_tokens": 10, "output_tokens": 2}),
        )
    })
    .await;
    let sidecar = "[[settings.tiers.pro.limits]]\naccount = \"user\"\nwindow = \"total\"\nusd = \"0.0001\"\n\
                   on_exhausted = \"downgrade\"\ndowngrade_to = \"claude-haiku-5-5\"\n";
    let gate = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, sidecar)
        .upstream("default", &upstream)
        .start()
        .await;
    let body = json!({"model": "claude-opus-4-1", "max_tokens": 100, "messages": []});
    let response = gate.ask(&gate.messages(&body)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(
        response.json()["model"],
        "claude-haiku-5-5",
        "the cheaper model answered"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_without_a_price_is_counted_and_never_taken_for_free_silently() {
    let answer = Answer::message(
        "no-such-model",
        "hi",
        &json!({"input_tokens": 10, "output_tokens": 2}),
    );
    let upstream = Upstream::always(answer).await;
    let gate = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, "[settings]\nunpriced = \"pass\"\n")
        .upstream("default", &upstream)
        .start()
        .await;
    let body = json!({"model": "no-such-model", "max_tokens": 5, "messages": []});
    assert_eq!(gate.ask(&gate.messages(&body)).await.status, 200, "served");
    let receipt = gate.receipts_when(1).await.remove(0);
    assert_eq!(receipt["unpriced"], true, "{receipt}");
    let metrics = gate.admin("/metrics").await;
    assert!(
        metrics.text().contains("witgate_unpriced_total 1"),
        "{}",
        metrics.text()
    );
}
