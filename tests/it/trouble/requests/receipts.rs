//! Receipts name the facts of their exchange.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use witgate_artifacts::{BUDGET, ROUTE};

use crate::harness::{Answer, Events, FakeOrganization, GatewayBuilder, TestGateway, Upstream};

fn asking(gate: &TestGateway, model: &str) -> crate::harness::Request {
    gate.messages(&json!({"model": model, "max_tokens": 5, "messages": []}))
}

async fn receipt_of(
    builder: GatewayBuilder,
    model: &str,
    answers: impl IntoIterator<Item = Answer>,
) -> Value {
    let upstream = Upstream::start(answers).await;
    let gate = builder.upstream("default", &upstream).start().await;
    gate.ask(&asking(&gate, model)).await;
    gate.only_receipt().await
}

fn message() -> Answer {
    Answer::message(
        "claude-haiku-4-5",
        "hi",
        &json!({"input_tokens": 1, "output_tokens": 1}),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_resource_is_what_the_route_was_looked_up_by() {
    let sidecar = "[[settings.rules]]\nname = \"all to the house model\"\n\
        when = [{ field = \"model\", is = [\"auto\"] }]\nresource = \"house\"\n\
        [[settings.resources]]\nname = \"house\"\ntargets = [{ upstream = \"default\", model = \"claude-haiku-4-5\" }]\n";
    let builder = || GatewayBuilder::shipped().plugin("route", ROUTE, sidecar);
    for (asked, resource) in [
        ("house", "house"),
        ("auto", "house"),
        ("claude-haiku-4-5", "claude-haiku-4-5"),
    ] {
        let receipt = receipt_of(builder(), asked, [message()]).await;
        assert_eq!(receipt["resource"], resource, "{asked}: {receipt}");
        assert_eq!(receipt["model"]["requested"], asked, "{receipt}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_downgrade_says_from_what_to_what_and_for_whose_account() {
    let sidecar = "[[settings.tiers.pro.limits]]\naccount = \"tenant\"\nwindow = \"day\"\nusd = \"0.01\"\n\
        on_exhausted = \"downgrade\"\ndowngrade_to = \"claude-haiku-4-5\"\n";
    let builder = GatewayBuilder::shipped().plugin("budget", BUDGET, sidecar);
    let upstream = Upstream::start([message()]).await;
    let gate = builder.upstream("default", &upstream).start().await;
    let large = json!({"model": "claude-opus-4-8", "max_tokens": 1000, "messages": []});
    let response = gate.ask(&gate.messages(&large)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let receipt = gate.only_receipt().await;
    assert_eq!(
        receipt["downgrade"],
        json!({"from": "claude-opus-4-8", "to": "claude-haiku-4-5", "account": "tenant:acme", "plugin": "budget"}),
        "{receipt}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_upstreams_id_of_each_attempt_and_the_id_of_the_message_are_kept() {
    let failed = Answer::json(
        529,
        &[("request-id", "req_first")],
        &json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    );
    let events = Events::begin("claude-haiku-4-5")
        .text(&["hi"])
        .end("end_turn");
    let stream = Answer::sse_with(&[("request-id", "req_second")], &events);
    let sidecar = "[[settings.resources]]\nname = \"*\"\ntargets = [{ upstream = \"default\" }, { upstream = \"default\" }]\nretries = 0\n";
    let builder = GatewayBuilder::shipped().plugin("route", ROUTE, sidecar);
    let receipt = receipt_of(builder, "claude-haiku-4-5", [failed, stream]).await;
    let attempts = &receipt["attempts"];
    assert_eq!(attempts["0"]["request_id"], "req_first", "{receipt}");
    assert_eq!(attempts["1"]["request_id"], "req_second", "{receipt}");
    let id = receipt["message_id"].as_str().unwrap_or_default();
    assert!(id.starts_with("msg_"), "of the stream: {receipt}");

    let receipt = receipt_of(GatewayBuilder::shipped(), "claude-haiku-4-5", [message()]).await;
    assert_eq!(receipt["message_id"], "msg_01Harness", "{receipt}");
    assert_eq!(
        receipt["attempts"]["0"]["request_id"], "req_011Harness",
        "{receipt}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_whose_answers_are_read_whole_have_the_upstreams_id_too() {
    let mut organization = FakeOrganization::with_models(&["claude-haiku-4-5"]).script();
    let upstream = Upstream::start_with(move |request| {
        let _ = organization(request);
        Answer::json(
            200,
            &[("request-id", "req_list")],
            &json!({"data": [], "has_more": false}),
        )
    })
    .await;
    let resources = "[[models.resource]]\nid = \"balanced\"\n";
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .extra(resources)
        .start()
        .await;
    let request = crate::harness::Request::new("GET", "/v1/models").header("Host", "gateway.test");
    assert_eq!(gate.ask(&gate.keyed(request)).await.status, 200, "served");
    let receipt = gate.only_receipt().await;
    assert_eq!(
        receipt["attempts"]["0"]["request_id"], "req_list",
        "{receipt}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hash_of_each_sidecar_is_there_beside_that_of_its_plugin() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    gate.ask(&asking(&gate, "claude-haiku-4-5")).await;
    let receipt = gate.only_receipt().await;
    for name in ["envelope", "route", "budget", "audit"] {
        let hash = |file: &Path| -> String {
            let bytes = std::fs::read(file).unwrap();
            Sha256::digest(&bytes)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        };
        let file = gate.policies().join(name);
        assert_eq!(
            receipt["plugins"][name],
            hash(&file.with_extension("wasm")),
            "{name}"
        );
        assert_eq!(
            receipt["sidecars"][name],
            hash(&file.with_extension("toml")),
            "{name}"
        );
    }
}
