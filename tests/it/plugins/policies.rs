//! The shipped plugins decide, and the gateway does what they decided.

use std::path::Path;

use serde_json::json;
use witgate_artifacts::{ROUTE, SHIPPED};

use crate::harness::{Answer, GatewayBuilder, TestGateway, Upstream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vmx_envelope_is_taken_out_and_every_other_byte_stays() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let with = r#"{"model":"claude-sonnet-5-5", "vmx" : {"correlationId":"c-1","metadata":{"team":"x"}},"max_tokens":5,  "messages":[]}"#;
    let without = r#"{"model":"claude-sonnet-5-5", "max_tokens":5,  "messages":[]}"#;
    let request = gate.messages(&json!({})).body(with);
    let response = gate.ask(&request).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let arrived = upstream.requests().pop().expect("it was forwarded");
    let arrived = String::from_utf8(arrived.body).unwrap();
    let squeezed = |text: &str| text.replace(' ', "");
    assert_eq!(
        squeezed(&arrived),
        squeezed(without),
        "vmx is gone, nothing else is: {arrived}"
    );
    assert!(
        arrived.contains(r#"5,  "messages""#),
        "the spacing of the rest stays: {arrived}"
    );
    assert_eq!(
        response.headers.get("x-vmx-correlation-id"),
        Some("c-1"),
        "the correlation id is echoed"
    );

    let receipt = gate.receipts_when(1).await.remove(0);
    assert_eq!(receipt["correlation_id"], "c-1", "{receipt}");
    assert_eq!(receipt["metadata"]["team"], "x", "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_anything_for_the_envelope_still_gets_its_correlation_id() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let body = json!({"model": "claude-sonnet-5-5", "max_tokens": 5, "messages": []});
    let response = gate.ask(&gate.messages(&body)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let id = response.headers.get("witgate-request-id");
    assert!(id.is_some(), "the host's id");
    assert_eq!(
        response.headers.get("x-vmx-correlation-id"),
        id,
        "which is the correlation id, too"
    );
    let receipt = gate.receipts_when(1).await.remove(0);
    assert_eq!(receipt["correlation_id"].as_str(), id, "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_asks_for_another_model_and_changes_nothing_else() {
    let upstream = Upstream::answering().await;
    let sidecar = "[[settings.resources]]\nname = \"house-model\"\ntargets = [{ upstream = \"default\", model = \"claude-haiku-5-5\" }]\n";
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, sidecar)
        .upstream("default", &upstream)
        .start()
        .await;
    let request = gate
        .messages(&json!({}))
        .body(r#"{"max_tokens":5,"messages":[],"model":"house-model"}"#);
    assert_eq!(gate.ask(&request).await.status, 200, "served");
    let arrived = upstream.requests().pop().expect("it was forwarded");
    assert_eq!(
        String::from_utf8(arrived.body).unwrap(),
        r#"{"max_tokens":5,"messages":[],"model":"claude-haiku-5-5"}"#,
        "the model, in its place"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_target_is_asked_when_one_fails_and_the_plugins_are_not_asked_again() {
    let failing = Upstream::always(Answer::error(529, "overloaded_error", "Overloaded")).await;
    let dead = Upstream::refusing().await;
    let well = Upstream::answering().await;
    let sidecar = "[[settings.resources]]\nname = \"m\"\ntargets = [{ upstream = \"dead\" }, { upstream = \"failing\" }, { upstream = \"well\" }]\n";
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, sidecar)
        .upstream_at("dead", &format!("http://{dead}"))
        .upstream("failing", &failing)
        .upstream("well", &well)
        .start()
        .await;
    let response = gate
        .ask(&gate.messages(&json!({"model": "m", "max_tokens": 5, "messages": []})))
        .await;
    assert_eq!(response.status, 200, "{}", response.text());
    let receipt = gate.receipts_when(1).await.remove(0);
    assert_eq!(
        receipt["attempts"]["2"]["upstream"], "well",
        "the third target answered: {receipt}"
    );
    assert!(
        receipt["attempts"]["0"]["error"].is_string(),
        "the first could not be reached: {receipt}"
    );
    let route = gate.plugin_status("route").await;
    assert_eq!(
        route["metrics"]["hooks"]["route"]["calls"], 1,
        "one call for three attempts: {route}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_rule_answers_in_the_shape_that_clients_know() {
    let upstream = Upstream::answering().await;
    let sidecar = "[[settings.rules]]\nname = \"no opus\"\nwhen = [{ field = \"model\", is = [\"*opus*\"] }]\nblock = { message = \"no opus here\" }\n";
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, sidecar)
        .upstream("default", &upstream)
        .start()
        .await;
    let response = gate
        .ask(&gate.messages(&json!({"model": "claude-opus-5-5", "max_tokens": 5, "messages": []})))
        .await;
    assert_eq!(response.status, 400, "{}", response.text());
    assert_eq!(
        response.headers.get("x-should-retry"),
        Some("false"),
        "trying again is of no use"
    );
    let body = response.json();
    assert_eq!(body["type"], "error", "{body}");
    assert_eq!(body["error"]["type"], "policy_blocked", "{body}");
    assert!(
        body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("no opus here"),
        "{body}"
    );
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
    let receipt = gate.receipts_when(1).await.remove(0);
    assert_eq!(
        (&receipt["outcome"], &receipt["refusal"]["plugin"]),
        (&json!("refused"), &json!("route")),
        "{receipt}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_not_visible_to_plugins_and_not_on_receipts() {
    let upstream = Upstream::answering().await;
    let gate: TestGateway = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let request =
        gate.messages(&json!({"model": "claude-sonnet-5-5", "max_tokens": 5, "messages": []}));
    gate.ask(&request).await;
    gate.receipts_when(1).await;
    let receipts = std::fs::read_to_string(gate.file("receipts.jsonl")).unwrap();
    assert!(
        !receipts.contains(gate.key()) && !receipts.contains("upstream-secret"),
        "{receipts}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wrong_setting_of_a_shipped_plugin_is_told_with_its_line_and_the_old_ones_stay() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let wrong = "[settings]\nunmatched = \"pass\"\nunmached = \"x\"\n\n[[settings.resources]]\nname = \"a\"\ntagrets = []\n                 targets = [{ upstream = \"default\", wait = 3 }]\n";
    gate.change_policies_in_vain(|folder| {
        std::fs::write(folder.join("route.toml"), wrong).unwrap();
    })
    .await;
    let route = gate.plugin_status("route").await;
    let error = route["last_error"].as_str().unwrap();
    for told in [
        "route.toml:3",
        "unmached",
        "route.toml:7",
        "tagrets",
        "route.toml:8",
        "wait",
    ] {
        assert!(error.contains(told), "{told} in:\n{error}");
    }
    let request =
        gate.messages(&json!({"model": "claude-sonnet-5-5", "max_tokens": 5, "messages": []}));
    assert_eq!(
        gate.ask(&request).await.status,
        200,
        "the old settings serve"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_megabytes_pass_four_plugins_that_have_two_mebibytes_each() {
    let upstream = Upstream::answering().await;
    let mut builder = GatewayBuilder::bare();
    for artifact in SHIPPED {
        let file = format!("../policies/{}.toml", artifact.name());
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let shipped = std::fs::read_to_string(shipped).unwrap();
        // Less than a tenth of the body, however it were to cross.
        let sidecar = format!("{shipped}\n[limits]\nmemory_mib = 2\n");
        builder = builder.plugin(artifact.name(), artifact, &sidecar);
    }
    let gate = builder.upstream("default", &upstream).start().await;
    let content = "x".repeat(30_000_000);
    let body = json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [{"role": "user", "content": content}]});
    let body = body.to_string();
    for _ in 0..3 {
        let response = gate
            .ask(&gate.messages(&json!({})).body(body.clone()))
            .await;
        assert_eq!(response.status, 200, "{}", response.text());
        let arrived = upstream.requests().pop().expect("it was forwarded");
        assert!(arrived.body == body.as_bytes(), "every byte of it");
    }
    let plugins = gate.admin("/plugins").await.json();
    for plugin in plugins["plugins"].as_array().unwrap() {
        assert_eq!(
            plugin["metrics"]["faults"],
            json!({}),
            "none has asked for more: {plugin}"
        );
    }
}
