//! A hold covers the request as it will be sent, and a refusal names the amount that was asked for and the rest.

use serde_json::json;
use witgate_artifacts::{BUDGET, ENVELOPE};

use crate::harness::{Answer, GatewayBuilder, Pause, Upstream, within_timeout};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_raises_the_cost_is_held_for() {
    let pause = Pause::new();
    let usage = json!({"input_tokens": 10, "output_tokens": 2});
    let answer = Answer::message("claude-haiku-4-5", "hi", &usage).pause_before_head(&pause);
    let upstream = Upstream::always(answer).await;
    let limits =
        "[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"day\"\ntokens = 100000\n";
    let gate = GatewayBuilder::shipped()
        .plugin(
            "envelope",
            ENVELOPE,
            "[settings]\nprovider_args = [\"max_tokens\"]\nprovider_args_by = { anyone = true }\n",
        )
        .plugin("budget", BUDGET, limits)
        .upstream("default", &upstream)
        .start()
        .await;
    let body = json!({
        "model": "claude-haiku-4-5", "max_tokens": 10, "messages": [],
        "vmx": {"providerArgs": {"max_tokens": 4000}},
    });
    let mut client = gate.client().await;
    client.send(&gate.messages(&body)).await;
    within_timeout("the upstream to be asked", pause.reached()).await;
    let sent = upstream.requests()[0].json();
    assert_eq!(sent["max_tokens"], 4000, "what is sent: {sent}");
    let budgets = gate.admin("/budgets").await.json();
    let held = budgets["accounts"][0]["held"].as_i64().unwrap();
    assert!(held >= 4000, "what is held is for that: {budgets}");
    pause.resume();
    assert_eq!(client.receive().await.status, 200, "it is served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_refused_is_told_what_the_request_reserves_and_what_is_left() {
    // Haiku 4.5: 5 USD per million output tokens.
    let usage = json!({"input_tokens": 0, "output_tokens": 3_000});
    let upstream = Upstream::always(Answer::message("claude-haiku-4-5", "hi", &usage)).await;
    let limits =
        "[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"day\"\nusd = \"0.03\"\n";
    let gate = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, limits)
        .upstream("default", &upstream)
        .start()
        .await;
    let asking = |most: u64| {
        gate.messages(&json!({"model": "claude-haiku-4-5", "max_tokens": most, "messages": []}))
    };
    assert_eq!(gate.ask(&asking(4_000)).await.status, 200, "the first fits");
    gate.receipts_when(1).await;
    let response = gate.ask(&asking(4_000)).await;
    let text = response.text();
    assert_eq!(response.status, 429, "{text}");
    for part in [
        "reserves up to $0.02",
        "$0.015 of the limit of $0.03 per day",
        "max_tokens",
    ] {
        assert!(text.contains(part), "{part} in: {text}");
    }
    let smaller = gate.ask(&asking(1_000)).await;
    assert_eq!(smaller.status, 200, "as it says: {}", smaller.text());
}
