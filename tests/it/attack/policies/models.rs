//! A key that is held to models gets no other one, wherever the protocol names a model.

use serde_json::{Value, json};
use witgate_artifacts::ROUTE;

use crate::harness::{Caller, GatewayBuilder, Request, TestGateway, Upstream};

const BLOCKS: &str = r#"
[[settings.rules]]
name = "no-opus"
when = [{ field = "model", is = ["claude-opus-*"] }]
block = { status = 403, message = "Opus is closed" }
"#;

async fn gate(route: &str) -> (TestGateway, Upstream, Caller) {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, route)
        .upstream("default", &upstream)
        .extra("[state]\ndirectory = \"state\"\n")
        .start()
        .await;
    let bob = Caller::admit(&gate, "bob", "bolt", "models = [\"claude-sonnet-*\"]").await;
    (gate, upstream, bob)
}

fn body(more: &Value) -> Value {
    let mut body = json!({"model": "claude-sonnet-5-5", "max_tokens": 5, "messages": []});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

fn in_batch(params: &Value) -> Value {
    json!({"requests": [{"custom_id": "a", "params": params}]})
}

fn advisor(model: &str) -> Value {
    body(&json!({"tools": [
        {"name": "look", "input_schema": {"type": "object", "properties": {"model": {"type": "string"}}}},
        {"type": "advisor_20260301", "name": "advisor", "model": model}]}))
}

fn fallbacks(models: &[&str]) -> Value {
    let each = |model: &&str| json!({"model": model, "max_tokens": 9});
    body(&json!({"fallbacks": models.iter().map(each).collect::<Value>()}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_with_models_names_no_other_one_in_any_place_of_a_body() {
    let (gate, upstream, bob) = gate("").await;
    let spelled = advisor("claude-opus-5-5").to_string();
    let spelled = spelled.replace("\"model\":\"claude-opus", "\"mod\\u0065l\":\"claude-opus");
    let spelled: Value = serde_json::from_str(&spelled).unwrap();
    for (what, named) in [
        ("the advisor", advisor("claude-opus-5-5")),
        ("under another spelling", spelled),
        (
            "a fallback",
            fallbacks(&["claude-sonnet-5", "claude-opus-5-5"]),
        ),
        (
            "whatever the upstream takes",
            body(&json!({"fallbacks": "default"})),
        ),
        (
            "a member of the future",
            body(&json!({"reviewer": {"rounds": [{"model": "claude-opus-5-5"}]}})),
        ),
    ] {
        for (path, body) in [
            ("/v1/messages", &named),
            ("/v1/messages/count_tokens", &named),
            ("/v1/messages/batches", &in_batch(&named)),
        ] {
            let response = gate.ask(&bob.post(path, body)).await;
            let told = response.text();
            assert_eq!(response.status, 403, "{what} at {path}: {told}");
            assert!(told.contains("GET /v1/models"), "it says more: {told}");
        }
    }
    assert!(upstream.requests().is_empty(), "nothing was sent");

    for own in [
        advisor("claude-sonnet-5"),
        fallbacks(&["claude-sonnet-5", "claude-sonnet-4-5"]),
        body(
            &json!({"tools": [{"name": "cars", "input_schema": {}, "input_examples": [{"model": "T"}]}]}),
        ),
        body(&json!({"messages": [{"role": "assistant", "content": [
            {"type": "fallback", "from": {"model": "claude-opus-5-5"}, "to": {"model": "claude-opus-5"}}]}]})),
    ] {
        let response = gate.ask(&bob.post("/v1/messages", &own)).await;
        assert_eq!(response.status, 200, "{own}: {}", response.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_with_models_has_to_name_one_where_one_is_needed() {
    let (gate, upstream, bob) = gate("").await;
    let nameless = json!({"max_tokens": 5, "messages": []});
    let null = json!({"model": null, "max_tokens": 5, "messages": []});
    for (path, body) in [
        ("/v1/messages", &nameless),
        ("/v1/messages", &null),
        ("/v1/messages/count_tokens", &nameless),
        ("/v1/messages/batches", &in_batch(&nameless)),
    ] {
        let response = gate.ask(&bob.post(path, body)).await;
        assert_eq!(response.status, 400, "{path} {body}: {}", response.text());
        assert!(response.text().contains("model"), "{}", response.text());
    }
    assert!(upstream.requests().is_empty(), "nothing was sent");
    let anyone = gate.ask(&gate.messages(&nameless)).await;
    assert_eq!(anyone.status, 200, "others are the upstream's to judge");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_blocks_a_model_blocks_it_in_any_place_of_a_body() {
    let (gate, upstream, _bob) = gate(BLOCKS).await;
    for (what, named) in [
        ("the advisor", advisor("claude-opus-5-5")),
        (
            "a fallback",
            fallbacks(&["claude-haiku-4-5", "claude-opus-5-5"]),
        ),
        (
            "whatever the upstream takes",
            body(&json!({"fallbacks": "default"})),
        ),
    ] {
        let alone = gate.ask(&gate.messages(&named)).await;
        assert_eq!(alone.status, 403, "{what}: {}", alone.text());
        let caller = Caller::first(&gate);
        let batch = caller.post("/v1/messages/batches", &in_batch(&named));
        let batched = gate.ask(&batch).await;
        assert_eq!(batched.status, 403, "{what} in a batch: {}", batched.text());
    }
    assert!(upstream.requests().is_empty(), "nothing was sent");
    let open = gate
        .ask(&gate.messages(&fallbacks(&["claude-haiku-4-5"])))
        .await;
    assert_eq!(open.status, 200, "what is not blocked: {}", open.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_a_batch_hides_no_model_behind_another_that_looks_the_same() {
    let (gate, upstream, bob) = gate("").await;
    let decoy = fallbacks(&["claude-sonnet-5"]);
    let hidden = fallbacks(&["claude-opus-5-5"]);
    let (one, other) = (decoy.to_string(), hidden.to_string());
    assert_eq!(one.len(), other.len(), "alike but for the model");
    let batch = json!({"requests": [
        {"custom_id": "a", "params": decoy}, {"custom_id": "b", "params": hidden}]});
    let response = gate.ask(&bob.post("/v1/messages/batches", &batch)).await;
    assert_eq!(response.status, 403, "{}", response.text());
    assert!(
        response.text().contains("requests[1]"),
        "{}",
        response.text()
    );
    assert!(upstream.requests().is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_too_long_is_refused_in_every_place_and_without_any_rule() {
    let (gate, upstream, _) = gate("").await;
    let long = "m".repeat(1_025);
    for named in [fallbacks(&["claude-sonnet-5", &long]), advisor(&long)] {
        for (path, body) in [
            ("/v1/messages", &named),
            ("/v1/messages/count_tokens", &named),
            ("/v1/messages/batches", &in_batch(&named)),
        ] {
            let request = gate
                .keyed(Request::new("POST", path))
                .header("Host", "gateway.test")
                .body(body.to_string());
            let response = gate.ask(&request).await;
            let told = response.text();
            assert_eq!(response.status, 400, "{path}: {told}");
            assert!(told.contains("1025 bytes long"), "{path}: {told}");
        }
    }
    assert!(upstream.requests().is_empty(), "nothing was sent");
}
