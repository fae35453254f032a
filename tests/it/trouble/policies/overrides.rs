//! Rules hold for the model that is planned, whoever chose it, and nobody chooses past the rules without a grant.

use serde_json::{Value, json};
use witgate_artifacts::{BUDGET, ENVELOPE, ROUTE};

use super::{asking, told};
use crate::harness::{Answer, GatewayBuilder, Request, TestGateway, Upstream};

/// No Opus for anybody, and a resource that has one behind its first target.
const NO_OPUS: &str = r#"
direct = true
[[settings.rules]]
name = "no opus"
when = [{ field = "model", is = ["claude-opus-*"] }]
block = { message = "no opus here" }
[[settings.resources]]
name = "smart"
targets = [{ upstream = "default", model = "claude-sonnet-5-5" }]
secondary = [{ upstream = "default", model = "claude-opus-5-5" }, { upstream = "default", model = "claude-haiku-5-5" }]
[[settings.resources]]
name = "opus-only"
targets = [{ upstream = "default", model = "claude-opus-5-5" }]
"#;

/// The rules above, as a sidecar.
fn no_opus() -> String {
    NO_OPUS.replace("direct = true", "[settings]\ndirect = true")
}

const ALL_GRANTED: &str = "[settings]\nprovider_args = [\"temperature\"]\n\
    provider_args_by = { tiers = [\"pro\"] }\ntimeout = { tiers = [\"pro\"] }\n\
    secondary_index = { tiers = [\"pro\"] }\nresource_overrides = { tiers = [\"pro\"] }\n";

async fn gate(envelope: &str, upstream: &Upstream) -> TestGateway {
    GatewayBuilder::shipped()
        .plugin("envelope", ENVELOPE, envelope)
        .plugin("route", ROUTE, &no_opus())
        .upstream("default", upstream)
        .start()
        .await
}

fn with_vmx(gate: &TestGateway, model: &str, vmx: &Value) -> Request {
    gate.messages(&json!({"model": model, "max_tokens": 5, "messages": [], "vmx": vmx}))
}

fn last_model(upstream: &Upstream) -> String {
    let sent = upstream.requests().pop().expect("it was forwarded");
    let sent: Value = serde_json::from_slice(&sent.body).unwrap();
    sent["model"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shipped_settings_grant_no_override_to_anybody() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    for (field, value) in [
        ("timeoutMs", json!(1000)),
        ("providerArgs", json!({"temperature": 0.5})),
        ("secondaryModelIndex", json!(0)),
        ("resourceConfigOverrides", json!({"targets": []})),
    ] {
        let response = gate
            .ask(&with_vmx(&gate, "claude-haiku-4-5", &json!({field: value})))
            .await;
        assert_eq!(response.status, 403, "{field}: {}", response.text());
        let told = told(&response);
        assert!(
            told.starts_with(&format!("vmx.{field}:")),
            "the field is named: {told}"
        );
    }
    assert!(upstream.requests().is_empty(), "nothing was sent");
    let plain = with_vmx(&gate, "claude-haiku-4-5", &json!({"correlationId": "c"}));
    assert_eq!(
        gate.ask(&plain).await.status,
        200,
        "the rest of vmx is free"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_override_has_a_grant_of_its_own() {
    let upstream = Upstream::answering().await;
    let fields = [
        ("timeout", "timeoutMs", json!(1000)),
        (
            "provider_args_by",
            "providerArgs",
            json!({"temperature": 0.5}),
        ),
        ("secondary_index", "secondaryModelIndex", json!(1)),
        (
            "resource_overrides",
            "resourceConfigOverrides",
            json!({"retries": 0}),
        ),
    ];
    for (granted, ..) in &fields {
        let envelope = format!(
            "[settings]\nprovider_args = [\"temperature\"]\n{granted} = {{ tiers = [\"pro\"] }}\n"
        );
        let gate = gate(&envelope, &upstream).await;
        for (grant, field, value) in &fields {
            let response = gate
                .ask(&with_vmx(&gate, "smart", &json!({*field: value})))
                .await;
            let wanted = if grant == granted { 200 } else { 403 };
            let text = response.text();
            assert_eq!(response.status, wanted, "{field} with {granted}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_holds_for_the_model_that_is_planned_whichever_way_it_was_chosen() {
    let upstream = Upstream::answering().await;
    let gate = gate(ALL_GRANTED, &upstream).await;
    let opus = json!([{"upstream": "default", "model": "claude-opus-5-5"}]);
    for (what, model, vmx) in [
        ("the index", "smart", json!({"secondaryModelIndex": 0})),
        ("a resource", "opus-only", json!({})),
        (
            "an override",
            "smart",
            json!({"resourceConfigOverrides": {"targets": opus, "secondary": []}}),
        ),
        ("the upstream's name", "default/claude-opus-5-5", json!({})),
    ] {
        let response = gate.ask(&with_vmx(&gate, model, &vmx)).await;
        assert_eq!(response.status, 400, "{what}: {}", response.text());
        assert_eq!(told(&response), "no opus here", "{what}: by the rule");
    }
    assert!(upstream.requests().is_empty(), "nothing was sent");

    let index = with_vmx(&gate, "smart", &json!({"secondaryModelIndex": 1}));
    assert_eq!(gate.ask(&index).await.status, 200, "another one is served");
    assert_eq!(
        last_model(&upstream),
        "claude-haiku-5-5",
        "as it was chosen"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fallback_that_a_rule_blocks_is_never_asked() {
    let upstream = Upstream::always(Answer::error(529, "overloaded_error", "Overloaded")).await;
    let gate = gate(ALL_GRANTED, &upstream).await;
    let response = gate.ask(&asking(&gate, "smart")).await;
    assert_eq!(response.status, 529, "{}", response.text());
    let models: Vec<String> = upstream
        .requests()
        .iter()
        .map(|request| serde_json::from_slice::<Value>(&request.body).unwrap())
        .map(|body| body["model"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert!(
        models.iter().any(|model| model == "claude-haiku-5-5"),
        "the other fallback was asked: {models:?}"
    );
    assert!(
        !models.iter().any(|model| model.contains("opus")),
        "the blocked one was not: {models:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_downgrade_to_a_model_that_a_rule_blocks_is_refused() {
    let upstream = Upstream::answering().await;
    let downgrade = |to: &str| {
        format!(
            "[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"total\"\nusd = \"0.001\"\n\
             on_exhausted = \"downgrade\"\ndowngrade_to = \"{to}\"\n"
        )
    };
    for (to, status) in [("claude-opus-4-1", 400), ("claude-haiku-4-5", 200)] {
        let gate = GatewayBuilder::shipped()
            .plugin("route", ROUTE, &no_opus())
            .plugin("budget", BUDGET, &downgrade(to))
            .upstream("default", &upstream)
            .start()
            .await;
        let body = json!({"model": "claude-sonnet-4-5", "max_tokens": 150, "messages": []});
        let response = gate.ask(&gate.messages(&body)).await;
        assert_eq!(response.status, status, "{to}: {}", response.text());
    }
    assert_eq!(last_model(&upstream), "claude-haiku-4-5", "the allowed one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_downgrade_holds_for_every_member_of_a_group() {
    let busy = || Answer::error(529, "overloaded_error", "Overloaded");
    let (a, b) = (
        Upstream::always(busy()).await,
        Upstream::always(busy()).await,
    );
    let downgrade = "[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"total\"\nusd = \"0.001\"\n\
                     on_exhausted = \"downgrade\"\ndowngrade_to = \"claude-haiku-4-5\"\n";
    let gate = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, downgrade)
        .plugin(
            "route",
            ROUTE,
            "[[settings.resources]]\nname = \"*\"\ntargets = [{ upstream = \"pool\" }]\n",
        )
        .upstream("a", &a)
        .upstream("b", &b)
        .extra("[groups.pool]\nmembers = [{ upstream = \"a\" }, { upstream = \"b\" }]\n")
        .start()
        .await;
    let body = json!({"model": "claude-sonnet-4-5", "max_tokens": 150, "messages": []});
    assert_eq!(
        gate.ask(&gate.messages(&body)).await.status,
        529,
        "both are"
    );
    for upstream in [&a, &b] {
        assert_eq!(last_model(upstream), "claude-haiku-4-5", "at each of them");
    }
}
