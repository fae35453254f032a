//! A large batch costs as many calls as it asks for different things, and holds up nobody.

use std::sync::Arc;

use serde_json::{Value, json};
use witgate_artifacts::{BUDGET, HOSTILE};

use super::super::{asking, told};
use super::{NO_OPUS, builder, creation, one, sent};
use crate::harness::FakeOrganization;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_are_asked_once_for_requests_that_look_alike_to_them() {
    let upstream = FakeOrganization::default().start().await;
    let gate = builder(NO_OPUS, &upstream).start().await;
    let models = ["claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-1"];
    let requests: Vec<Value> = (0..6000)
        .map(|index| one(&format!("r-{index:04}"), models[index % 2]))
        .collect();
    let response = gate
        .ask(&creation(&gate, json!({"requests": requests}).to_string()))
        .await;
    assert_eq!(response.status, 200, "{}", response.text());
    for (name, hook, calls) in [
        // There is nothing in the batch that it reads.
        ("envelope", "envelope", 0),
        ("route", "route", 3),
        ("budget", "budget", 2),
    ] {
        let figures = &gate.plugin_status(name).await["metrics"]["hooks"][hook];
        assert_eq!(figures["calls"], calls, "{name}: {figures}");
    }

    let mut requests = requests;
    requests.push(one("the-last", models[2]));
    let response = gate
        .ask(&creation(&gate, json!({"requests": requests}).to_string()))
        .await;
    assert_eq!(
        response.status,
        400,
        "none is overlooked: {}",
        response.text()
    );
    assert!(
        told(&response).contains("`the-last`"),
        "{}",
        response.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_differ_in_what_a_plugin_may_read_are_asked_about_one_by_one() {
    let upstream = FakeOrganization::default().start().await;
    // Its sidecar lets it read the body, so that two texts of one length are two things to it.
    let gate = builder("", &upstream)
        .plugin("reader", HOSTILE, "order = 1\n")
        .start()
        .await;
    let with = |text: &str| {
        json!({"custom_id": text, "params": {"model": "claude-haiku-4-5", "max_tokens": 5,
               "messages": [{"role": "user", "content": text}]}})
    };
    let requests = [with("one"), with("two"), with("one")];
    let response = gate
        .ask(&creation(&gate, json!({"requests": requests}).to_string()))
        .await;
    assert_eq!(response.status, 200, "{}", response.text());
    let figures = &gate.plugin_status("reader").await["metrics"]["hooks"]["route"];
    assert_eq!(figures["calls"], 3, "the batch and two texts: {figures}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn other_requests_are_served_while_plugins_decide_on_a_large_batch() {
    let upstream = FakeOrganization::default().start().await;
    let limit =
        "[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"total\"\nrequests = 50000\n";
    let gate = builder(NO_OPUS, &upstream)
        .plugin("budget", BUDGET, limit)
        .extra("[batches]\ndecide_ms = 60000")
        .start()
        .await;
    let gate = Arc::new(gate);
    let different: Vec<Value> = (1..40_000)
        .map(|tokens| {
            json!({"custom_id": format!("r-{tokens}"), "params":
                   {"model": "claude-haiku-4-5", "max_tokens": tokens, "messages": []}})
        })
        .collect();
    let large = creation(&gate, json!({"requests": different}).to_string());
    let batch = {
        let gate = Arc::clone(&gate);
        tokio::spawn(async move { gate.ask(&large).await })
    };
    // It is being decided once its route has been asked for a few of them.
    loop {
        let figures = &gate.plugin_status("route").await["metrics"]["hooks"]["route"];
        if figures["calls"].as_u64().unwrap_or_default() > 2 || batch.is_finished() {
            break;
        }
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        let small = gate.ask(&asking(&gate, "claude-opus-4-1")).await;
        assert_eq!(small.status, 400, "decided meanwhile: {}", small.text());
    }
    let batch = batch.await.unwrap();
    assert_eq!(batch.status, 200, "{}", batch.text());
    let sent: Value = serde_json::from_str(&sent(&upstream)).unwrap();
    assert_eq!(
        sent["requests"].as_array().map(Vec::len),
        Some(39_999),
        "all of them"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_takes_plugins_too_long_is_refused_and_says_what_to_do() {
    let upstream = FakeOrganization::default().start().await;
    let gate = builder(NO_OPUS, &upstream)
        .extra("[batches]\ndecide_ms = 1")
        .start()
        .await;
    let different: Vec<Value> = (1..30_000)
        .map(|tokens| {
            json!({"custom_id": format!("r-{tokens}"), "params":
                   {"model": "claude-haiku-4-5", "max_tokens": tokens, "messages": []}})
        })
        .collect();
    let response = gate
        .ask(&creation(&gate, json!({"requests": different}).to_string()))
        .await;
    assert_eq!(response.status, 413, "{}", response.text());
    let told = told(&response);
    assert!(
        told.contains("smaller batches") && told.contains("1 ms"),
        "the limit and the cure: {told}"
    );
    assert!(upstream.requests().is_empty(), "nothing was sent");
}
