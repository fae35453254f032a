//! A caller at whose requests a plugin faults loses the plugin for itself, and for nobody else.

use serde_json::{Value, json};
use witgate_artifacts::HOSTILE;

use crate::harness::{Caller, GatewayBuilder, Request, TestGateway, Upstream};

fn body() -> Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []})
}

fn asking(caller: &Caller) -> Request {
    caller.post("/v1/messages", &body())
}

async fn hostile() -> (TestGateway, Upstream) {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .plugin("bad", HOSTILE, "")
        .upstream("default", &upstream)
        .start()
        .await;
    (gate, upstream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_at_one_tenants_requests_suspend_a_plugin_for_that_tenant_alone() {
    let (gate, _upstream) = hostile().await;
    let acme = Caller::first(&gate);
    let colleague = Caller::admit(&gate, "carol", "acme", "").await;
    let bolt = Caller::admit(&gate, "bob", "bolt", "").await;
    for caller in [&acme, &colleague, &acme, &colleague, &acme] {
        let attack = asking(caller).header("x-hostile", "envelope:trap");
        assert_eq!(gate.ask(&attack).await.status, 503, "it fails closed");
    }
    let others = gate.ask(&asking(&bolt)).await;
    assert_eq!(others.status, 200, "another tenant: {}", others.text());

    for caller in [&acme, &colleague] {
        let refused = gate.ask(&asking(caller)).await;
        assert_eq!(refused.status, 503, "its own policy holds");
        let told = refused.text();
        assert!(
            told.contains("suspended for this caller"),
            "and says why: {told}"
        );
    }
    let bad = gate.plugin_status("bad").await;
    assert_eq!(
        bad["metrics"]["faults"]["trap"], 3,
        "two keys are one tenant: {bad}"
    );
    assert_eq!(bad["state"], "serving", "{bad}");
    assert_eq!(bad["suspended_callers"], 1, "{bad}");
    let metrics = gate.admin("/metrics").await;
    let line = "witgate_plugin_suspended_callers{plugin=\"bad\"} 1";
    assert!(metrics.text().contains(line), "{}", metrics.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_at_the_requests_of_three_tenants_suspend_a_plugin_for_all() {
    let (gate, _upstream) = hostile().await;
    let mut callers = vec![Caller::first(&gate)];
    for (id, tenant) in [("bob", "bolt"), ("cleo", "cog"), ("dan", "drum")] {
        callers.push(Caller::admit(&gate, id, tenant, "").await);
    }
    let innocent = callers.pop().expect("four callers");
    for caller in &callers {
        let fault = asking(caller).header("x-hostile", "envelope:trap");
        assert_eq!(gate.ask(&fault).await.status, 503, "it fails closed");
    }
    let bad = gate.plugin_status("bad").await;
    assert_eq!(
        bad["state"], "suspended",
        "one fault of each is enough: {bad}"
    );
    let refused = gate.ask(&asking(&innocent)).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_too_much_for_the_shipped_plugins_is_its_callers_error() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let with = |name: &str, value: Value| {
        let mut body = body();
        body[name] = value;
        body
    };
    let entries = |count: usize| -> Value {
        let entries = (0..count).map(|at| (format!("k{at}"), json!("v")));
        Value::Object(entries.collect())
    };
    let deep = |levels: usize| -> Value {
        let nested = "[".repeat(levels) + &"]".repeat(levels);
        serde_json::from_str(&nested).expect("as deep as this reader goes")
    };
    let tool = |at: usize| json!({"name": format!("t{at}"), "input_schema": {}});
    // A little less than a plugin may read, so that what it makes of it is about as much as it may return.
    let long = |less: usize| "x".repeat((1 << 20) - less);
    for (what, body) in [
        (
            "vmx.metadata",
            with("vmx", json!({"metadata": entries(1_025)})),
        ),
        (
            "vmx.providerArgs",
            with("vmx", json!({"providerArgs": entries(1_025)})),
        ),
        (
            "vmx",
            with("vmx", json!({"resourceConfigOverrides": {"a": deep(120)}})),
        ),
        (
            "metadata.user_id",
            with("metadata", json!({"user_id": long(20)})),
        ),
        (
            "metadata.user_id",
            with("metadata", json!({"user_id": long(90)})),
        ),
        (
            "metadata.user_id",
            with("metadata", json!({"user_id": long(120)})),
        ),
        (
            "metadata.user_id",
            with("metadata", json!({"user_id": long(140)})),
        ),
        (
            "metadata.user_id",
            with("metadata", json!({"user_id": deep(120).to_string()})),
        ),
        ("model", with("model", json!(long(90)))),
        ("tools", with("tools", (0..70_000).map(tool).collect())),
    ] {
        for _ in 0..4 {
            let response = gate.ask(&gate.messages(&body)).await;
            let told = response.text();
            assert!(response.status < 500, "{what}: {} {told}", response.status);
        }
        let response = gate.ask(&gate.messages(&self::body())).await;
        assert_eq!(response.status, 200, "after {what}: {}", response.text());
    }
    for name in ["envelope", "route"] {
        let plugin = gate.plugin_status(name).await;
        assert_eq!(plugin["state"], "serving", "{plugin}");
        let faults = plugin["metrics"]["faults"].as_object().unwrap();
        let own: Vec<_> = faults
            .keys()
            .filter(|kind| *kind != "request-too-large")
            .collect();
        assert!(own.is_empty(), "{name} has no fault of its own: {faults:?}");
    }
}
