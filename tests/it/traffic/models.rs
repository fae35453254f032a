//! Models: the upstream's and the operator's own, as far as the key may ask for them.

use serde_json::{Value, json};

use crate::harness::{Caller, FakeOrganization, GatewayBuilder, TestGateway, Upstream};

const REAL: [&str; 5] = [
    "claude-sonnet-5-5",
    "claude-opus-5-5",
    "claude-sonnet-5",
    "claude-haiku-5-5",
    "claude-sonnet-4-5",
];
const RESOURCES: &str = "[[models.resource]]\nid = \"balanced\"\ndisplay_name = \"Balanced\"\ncreated_at = \"2026-02-01T00:00:00Z\"\n\
                         [[models.resource]]\nid = \"cheap\"\n";

async fn gate(extra: &str, models: &str) -> (TestGateway, Upstream, Caller) {
    let upstream = FakeOrganization::with_models(&REAL).start().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .extra(extra)
        .start()
        .await;
    let caller = Caller::admit(&gate, "bob", "bolt", models).await;
    (gate, upstream, caller)
}

async fn list(gate: &TestGateway, caller: &Caller, query: &str) -> Value {
    let response = gate
        .ask(&caller.request("GET", &format!("/v1/models{query}")))
        .await;
    assert_eq!(response.status, 200, "{query}: {}", response.text());
    response.json()
}

fn ids(page: &Value) -> Vec<&str> {
    let data = page["data"].as_array().expect("a list");
    data.iter().filter_map(|item| item["id"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_sees_and_asks_for_the_models_that_it_may_use() {
    let (gate, upstream, bob) = gate("", "models = [\"claude-sonnet-*\"]").await;
    let page = list(&gate, &bob, "?limit=1000").await;
    assert_eq!(
        ids(&page),
        ["claude-sonnet-5-5", "claude-sonnet-5", "claude-sonnet-4-5"],
        "from all the upstream's pages: {page}"
    );
    let message = |model: &str| json!({"model": model, "max_tokens": 1, "messages": []});
    let batch = |model: &str| json!({"requests": [{"custom_id": "a", "params": message("claude-sonnet-5")}, {"custom_id": "b", "params": message(model)}]});
    let asked = upstream.requests().len();
    for (path, body) in [
        ("/v1/messages", message("claude-opus-5-5")),
        ("/v1/messages/count_tokens", message("claude-opus-5-5")),
    ] {
        let response = gate.ask(&bob.post(path, &body)).await;
        assert_eq!(response.status, 403, "{path}: {}", response.text());
        let body = response.json();
        assert_eq!(body["error"]["type"], "permission_error", "{body}");
        assert!(
            body["error"]["message"]
                .as_str()
                .is_some_and(|text| text.contains("claude-opus-5-5")),
            "{body}"
        );
    }
    let hidden = gate
        .ask(&bob.request("GET", "/v1/models/claude-opus-5-5"))
        .await;
    assert_eq!(
        hidden.status,
        404,
        "as if it were not there: {}",
        hidden.text()
    );
    assert_eq!(upstream.requests().len(), asked, "nothing of it was sent");
    for (path, body) in [
        ("/v1/messages", message("claude-sonnet-5")),
        ("/v1/messages/batches", batch("claude-opus-5-5")),
    ] {
        let wanted = if path == "/v1/messages" { 200 } else { 404 };
        let response = gate.ask(&bob.post(path, &body)).await;
        assert_eq!(response.status, wanted, "{path}: {}", response.text());
    }
    let known = gate
        .ask(&bob.request("GET", "/v1/models/claude-sonnet-5"))
        .await;
    assert_eq!(known.json()["id"], "claude-sonnet-5", "{}", known.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_with_one_model_that_the_key_may_not_use_is_403() {
    let (gate, upstream, bob) = gate(
        "[state]\ndirectory = \"state\"\n",
        "models = [\"claude-sonnet-*\"]",
    )
    .await;
    let params = |model: &str| json!({"custom_id": model, "params": {"model": model, "max_tokens": 1, "messages": []}});
    let body = json!({"requests": [params("claude-sonnet-5"), params("claude-opus-5-5")]});
    let response = gate.ask(&bob.post("/v1/messages/batches", &body)).await;
    assert_eq!(response.status, 403, "{}", response.text());
    assert!(upstream.requests().is_empty(), "nothing was sent");
    let body = json!({"requests": [params("claude-sonnet-5")]});
    let response = gate.ask(&bob.post("/v1/messages/batches", &body)).await;
    assert_eq!(response.status, 200, "{}", response.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_are_listed_before_the_upstreams_models_and_pages_are_right() {
    let (gate, upstream, bob) = gate(RESOURCES, "").await;
    let whole = list(&gate, &bob, "").await;
    let wanted: Vec<_> = ["balanced", "cheap"].into_iter().chain(REAL).collect();
    assert_eq!(ids(&whole), wanted, "{whole}");
    assert_eq!(
        whole["data"][0],
        json!({"type": "model", "id": "balanced", "display_name": "Balanced", "created_at": "2026-02-01T00:00:00Z"}),
        "in the API's shape"
    );
    for (query, wanted, more) in [
        ("?limit=3", &wanted[..3], true),
        ("?limit=3&after_id=balanced", &wanted[1..4], true),
        ("?limit=3&after_id=claude-opus-5-5", &wanted[4..7], false),
        ("?limit=2&before_id=claude-sonnet-5-5", &wanted[..2], false),
        ("?limit=2&before_id=claude-sonnet-5", &wanted[2..4], true),
    ] {
        let page = list(&gate, &bob, query).await;
        assert_eq!(
            (ids(&page), &page["has_more"]),
            (wanted.to_vec(), &json!(more)),
            "{query}: {page}"
        );
        assert_eq!(
            (&page["first_id"], &page["last_id"]),
            (&json!(wanted.first()), &json!(wanted.last())),
            "{query}: {page}"
        );
    }
    let asked = upstream.requests().len();
    let one = gate.ask(&bob.request("GET", "/v1/models/cheap")).await;
    assert_eq!(one.json()["display_name"], "cheap", "{}", one.text());
    assert_eq!(
        upstream.requests().len(),
        asked,
        "a resource is the gateway's own"
    );
    let head = gate.ask(&bob.request("HEAD", "/v1/models")).await;
    assert_eq!((head.status, head.body.len()), (200, 0), "HEAD has no body");
    assert!(
        head.headers
            .get("content-length")
            .is_some_and(|length| length != "0"),
        "but its length"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_either_the_upstreams_list_passes_as_it_is() {
    let (gate, upstream, bob) = gate("", "").await;
    let page = list(&gate, &bob, "?limit=2&x=%20y").await;
    assert_eq!(ids(&page), REAL[..2], "{page}");
    assert_eq!(
        upstream.requests()[0].target(),
        "/v1/models?limit=2&x=%20y",
        "one question, as it came"
    );
}
