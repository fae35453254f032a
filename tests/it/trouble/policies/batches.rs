//! Every request of a batch is decided as if it had come alone.

mod large;
mod money;

use serde_json::{Value, json};
use witgate_artifacts::{ENVELOPE, HOSTILE, ROUTE};

use super::told;
use crate::harness::{
    Caller, FakeOrganization, GatewayBuilder, Request, Response, TestGateway, Upstream,
};

const PATH: &str = "/v1/messages/batches";

/// The shipped plugins with these routes, and a state, which batches need.
fn builder(route: &str, upstream: &Upstream) -> GatewayBuilder {
    GatewayBuilder::shipped()
        .plugin("route", ROUTE, route)
        .upstream("default", upstream)
        .extra("[state]\ndirectory = \"state\"")
}

/// Returns a request of a batch.
fn one(id: &str, model: &str) -> Value {
    json!({"custom_id": id, "params": {"model": model, "max_tokens": 5, "messages": []}})
}

fn creation(gate: &TestGateway, body: impl Into<String>) -> Request {
    gate.keyed(Request::new("POST", PATH).header("Host", "gateway.test"))
        .header("content-type", "application/json")
        .body(body.into())
}

async fn create(gate: &TestGateway, requests: &[Value]) -> Response {
    let body = json!({"requests": requests}).to_string();
    gate.ask(&creation(gate, body)).await
}

/// Returns the last request that the upstream got.
fn sent(upstream: &Upstream) -> String {
    let sent = upstream.requests().pop().expect("it was forwarded");
    String::from_utf8(sent.body).unwrap()
}

const NO_OPUS: &str = "[[settings.rules]]\nname = \"no opus\"\nwhen = [{ field = \"model\", is = [\"*opus*\"] }]\n\
                       block = { message = \"no opus here\" }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_a_rule_blocks_is_blocked_in_a_batch_and_named() {
    let upstream = FakeOrganization::default().start().await;
    let gate = builder(NO_OPUS, &upstream).start().await;
    let requests = [
        one("fine", "claude-haiku-4-5"),
        one("not-so", "claude-opus-5-5"),
    ];
    let response = create(&gate, &requests).await;
    assert_eq!(response.status, 400, "{}", response.text());
    let told = told(&response);
    assert!(
        told.contains("no opus here") && told.contains("requests[1]") && told.contains("`not-so`"),
        "by the rule, with its place and name: {told}"
    );
    assert!(upstream.requests().is_empty(), "nothing was sent");
    let receipt = gate.receipts_when(1).await.remove(0);
    assert_eq!(receipt["refusal"]["plugin"], "route", "{receipt}");
    assert_eq!(create(&gate, &requests[..1]).await.status, 200, "the rest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_too_long_for_a_request_is_too_long_in_a_batch() {
    let upstream = FakeOrganization::default().start().await;
    // The route plugin is not interested in any model.
    let gate = builder("", &upstream).start().await;
    let requests = [
        one("fine", "claude-haiku-4-5"),
        one("not-so", &"m".repeat(1_025)),
    ];
    let response = create(&gate, &requests).await;
    assert_eq!(response.status, 400, "{}", response.text());
    let told = told(&response);
    assert!(
        told.contains("model") && told.contains("requests[1]") && told.contains("1024 bytes"),
        "with its place and the limit: {told}"
    );
    assert!(upstream.requests().is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_about_batches_holds_for_the_batch_itself() {
    let upstream = FakeOrganization::default().start().await;
    let rules = "[[settings.rules]]\nname = \"no batches\"\nwhen = [{ field = \"endpoint\", is = [\"batches\"] }]\n\
                 block = { message = \"no batches\" }\n";
    let gate = builder(rules, &upstream).start().await;
    let response = create(&gate, &[one("a", "claude-haiku-4-5")]).await;
    assert_eq!(response.status, 400, "{}", response.text());
    assert_eq!(
        told(&response),
        "no batches",
        "nothing is said of a request"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_refuses_a_model_refuses_it_in_a_batch() {
    let upstream = FakeOrganization::default().start().await;
    let gate = builder("", &upstream)
        .plugin(
            "house",
            HOSTILE,
            "order = 1\n[settings]\nblock = \"opus\"\n",
        )
        .start()
        .await;
    let response = create(&gate, &[one("a", "claude-opus-5-5")]).await;
    assert_eq!(response.status, 403, "{}", response.text());
    assert!(told(&response).contains("`a`"), "{}", response.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plans_model_is_put_into_its_request_and_every_other_byte_stays() {
    let upstream = FakeOrganization::default().start().await;
    let route = "[[settings.resources]]\nname = \"house\"\ntargets = [{ upstream = \"default\", model = \"claude-haiku-5-5\" }]\n";
    let gate = builder(route, &upstream).start().await;
    let body = r#"{ "requests" : [{"custom_id":"a","params":{"max_tokens":5, "model" : "house" ,"messages":[]}},
        {"params": {"model":"claude-sonnet-5-5","max_tokens":6,"messages":[ ]},"custom_id":"b"} ,
        {"custom_id":"c","params":{"max_tokens":7,"messages":[],"m\u006fdel":"house"}}], "other":1 }"#;
    let response = gate.ask(&creation(&gate, body)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let wanted = body.replace("\"house\"", "\"claude-haiku-5-5\"");
    assert_eq!(sent(&upstream), wanted, "the models, each in its place");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_envelope_edits_is_edited_in_every_request() {
    let upstream = FakeOrganization::default().start().await;
    let gate = builder(NO_OPUS, &upstream)
        .plugin("envelope", ENVELOPE, "")
        .plugin(
            "editor",
            HOSTILE,
            "order = 1\n[settings.edits]\nsystem = '\"be brief\"'\nmodel = '\"claude-haiku-4-5\"'\n",
        )
        .start()
        .await;
    let body = r#"{"vmx":{"correlationId":"c-1"},"requests":[{"custom_id":"a","params":{"model":"claude-opus-5-5","max_tokens":5,"messages":[]}},{"custom_id":"b","params":{"system":"ramble","max_tokens":5,"messages":[]}}]}"#;
    let response = gate.ask(&creation(&gate, body)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let wanted = r#"{"requests":[{"custom_id":"a","params":{"model":"claude-haiku-4-5","max_tokens":5,"messages":[],"system":"be brief"}},{"custom_id":"b","params":{"system":"be brief","max_tokens":5,"messages":[],"model":"claude-haiku-4-5"}}]}"#;
    assert_eq!(sent(&upstream), wanted, "and the batch's own `vmx` is gone");
    assert_eq!(
        response.headers.get("x-vmx-correlation-id"),
        Some("c-1"),
        "the envelope is the batch's"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_edited_by_a_plugin_are_the_ones_that_are_decided() {
    let upstream = FakeOrganization::default().start().await;
    let hidden =
        r#"[{"custom_id":"x","params":{"model":"claude-opus-5-5","max_tokens":1,"messages":[]}}]"#;
    let gate = builder(NO_OPUS, &upstream)
        .plugin(
            "editor",
            HOSTILE,
            &format!("order = 1\n[settings.edits]\nrequests = '{hidden}'\n"),
        )
        .start()
        .await;
    let response = create(&gate, &[one("a", "claude-haiku-4-5")]).await;
    assert_eq!(response.status, 400, "{}", response.text());
    assert!(told(&response).contains("`x`"), "{}", response.text());
    assert!(upstream.requests().is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_goes_to_one_upstream_and_one_that_would_not_is_refused_with_both_names() {
    let (upstream, other) = (
        FakeOrganization::default().start().await,
        FakeOrganization::default().start().await,
    );
    let route = "[settings]\ndirect = true\n[[settings.resources]]\nname = \"there\"\ntargets = [{ upstream = \"other\", model = \"claude-haiku-4-5\" }]\n";
    let gate = builder(route, &upstream)
        .upstream("other", &other)
        .start()
        .await;
    let requests = [one("a", "claude-haiku-4-5"), one("b", "there")];
    let response = create(&gate, &requests).await;
    assert_eq!(response.status, 400, "{}", response.text());
    let told = told(&response);
    for part in ["`a`", "`default`", "`b`", "`other`"] {
        assert!(told.contains(part), "{part} in: {told}");
    }
    let response = create(&gate, &requests[1..]).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert!(
        upstream.requests().is_empty(),
        "it went where its plan says"
    );
    assert!(sent(&other).contains("claude-haiku-4-5"), "with its model");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keys_models_hold_for_what_is_planned_in_a_batch() {
    let upstream = FakeOrganization::default().start().await;
    let route = "[[settings.resources]]\nname = \"claude-sonnet-9\"\ntargets = [{ upstream = \"default\", model = \"claude-opus-5-5\" }]\n";
    let gate = builder(route, &upstream).start().await;
    let bob = Caller::admit(&gate, "bob", "bolt", "models = [\"claude-sonnet-*\"]").await;
    for (model, foreign) in [
        ("claude-sonnet-9", "claude-opus-5-5"),
        ("claude-haiku-4-5", "claude-haiku-4-5"),
    ] {
        let body = json!({"requests": [one("a", "claude-sonnet-5"), one("b", model)]});
        let response = gate.ask(&bob.post(PATH, &body)).await;
        assert_eq!(response.status, 403, "{model}: {}", response.text());
        let told = told(&response);
        assert!(
            told.contains("`b`") && told.contains(foreign),
            "{model}: the request and its model are named: {told}"
        );
    }
    assert!(upstream.requests().is_empty(), "nothing was sent");
}
