//! A key's models hold for what is planned, unless the operator leads there by a name that the key has.

use serde_json::{Value, json};
use witgate_artifacts::{BUDGET, ENVELOPE, ROUTE};

use super::told;
use crate::harness::{Caller, GatewayBuilder, Response, TestGateway, Upstream};

const ROUTES: &str = r#"
[[settings.resources]]
name = "claude-sonnet-5-5"
targets = [{ upstream = "default", model = "claude-sonnet-5-5" }]
secondary = [{ upstream = "default", model = "claude-opus-5-5" }]
[[settings.resources]]
name = "balanced"
targets = [{ upstream = "default", model = "claude-opus-5-5" }]
[[settings.resources]]
name = "claude-sonnet-9"
targets = [{ upstream = "default", model = "claude-opus-5-5" }]
"#;

const GRANTED: &str =
    "[settings]\nsecondary_index = { anyone = true }\nresource_overrides = { anyone = true }\n";

/// A gate with `balanced` as a model of its own, and a key for Sonnet and for that one.
async fn gate(upstream: &Upstream) -> (TestGateway, Caller) {
    let downgrade = "[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"total\"\nusd = \"0.05\"\n\
                     on_exhausted = \"downgrade\"\ndowngrade_to = \"claude-haiku-4-5\"\n";
    let gate = GatewayBuilder::shipped()
        .plugin("envelope", ENVELOPE, GRANTED)
        .plugin("route", ROUTE, ROUTES)
        .plugin("budget", BUDGET, downgrade)
        .upstream("default", upstream)
        .extra("[[models.resource]]\nid = \"balanced\"\n")
        .start()
        .await;
    let bob = Caller::admit(
        &gate,
        "bob",
        "bolt",
        "models = [\"claude-sonnet-*\", \"balanced\"]",
    )
    .await;
    (gate, bob)
}

async fn ask(gate: &TestGateway, caller: &Caller, model: &str, more: Value) -> Response {
    let mut body = json!({"model": model, "max_tokens": 5, "messages": []});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    gate.ask(&caller.post("/v1/messages", &body)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_gets_no_model_that_is_not_its_own_by_a_detour() {
    let upstream = Upstream::answering().await;
    let (gate, bob) = gate(&upstream).await;
    let opus = json!([{"upstream": "default", "model": "claude-opus-5-5"}]);
    for (what, model, more) in [
        (
            "the index",
            "claude-sonnet-5-5",
            json!({"vmx": {"secondaryModelIndex": 0}}),
        ),
        (
            "a resource under a model's name",
            "claude-sonnet-9",
            json!({}),
        ),
        (
            "an override of what it may ask for",
            "balanced",
            json!({"vmx": {"resourceConfigOverrides": {"targets": [
                {"upstream": "default", "model": "claude-opus-5"}]}}}),
        ),
        (
            "an override",
            "claude-sonnet-5-5",
            json!({"vmx": {"resourceConfigOverrides": {"targets": opus, "secondary": []}}}),
        ),
    ] {
        let response = ask(&gate, &bob, model, more).await;
        assert_eq!(response.status, 403, "{what}: {}", response.text());
        let told = told(&response);
        assert!(
            told.contains("claude-opus-5"),
            "{what}: it is named: {told}"
        );
    }
    assert!(upstream.requests().is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_of_the_operators_own_leads_a_key_wherever_the_operator_wants() {
    let upstream = Upstream::answering().await;
    let (gate, bob) = gate(&upstream).await;
    let response = ask(&gate, &bob, "balanced", json!({})).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let sent = upstream.requests().pop().expect("it was forwarded");
    let sent: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(
        sent["model"], "claude-opus-5-5",
        "as the operator routes it"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_downgrade_to_what_the_key_may_not_ask_for_is_none() {
    let upstream = Upstream::answering().await;
    let (gate, bob) = gate(&upstream).await;
    // 4,096 tokens of Sonnet's output are more than the limit.
    let over = json!({"max_tokens": 10000});
    let response = ask(&gate, &bob, "claude-sonnet-4-5", over).await;
    assert_eq!(response.status, 429, "{}", response.text());
    let told = told(&response);
    assert!(told.contains("claude-haiku-4-5"), "it says why: {told}");
    assert!(upstream.requests().is_empty(), "nothing was sent");
}
