//! The pages of the admin listener, and a receipt.

use std::path::Path;

use expect_test::expect_file;
use serde_json::{Value, json};
use witgate_artifacts::{HOSTILE, ROUTE, SHIPPED};

use super::{body, check, steady};
use crate::harness::{
    ADMIN_KEYS, Answer, GatewayBuilder, Installation, Operator, TestGateway, Upstream,
    operators_keys, within_timeout,
};

/// Prints JSON with everything left out that another run would have otherwise: times, hashes and random names.
fn settled(mut value: Value, folder: &Path) -> String {
    blank(&mut value);
    steady(&serde_json::to_string_pretty(&value).unwrap(), folder)
}

fn blank(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let is_time = ["_ms", "_us", "_ns", "_unix"]
                    .iter()
                    .any(|end| key.ends_with(end));
                let is_random = [
                    "generation",
                    "hash",
                    "sha256",
                    "id",
                    "request_id",
                    "memory_bytes",
                    "spend_limit_id",
                    "target_id",
                    "first_id",
                    "last_id",
                ]
                .contains(&key.as_str());
                let is_moment =
                    ["created_at", "updated_at", "resets_at", "until"].contains(&key.as_str());
                match value {
                    Value::Number(_) if is_time || is_random => *value = "N".into(),
                    Value::String(text) if is_random && text.len() > 8 => *value = "ID".into(),
                    Value::String(_) if is_moment => *value = "TIME".into(),
                    value => blank(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(blank),
        _ => {}
    }
}

async fn page(gate: &TestGateway, path: &str) -> String {
    let page = gate.admin(path).await;
    assert_eq!(page.status, 200, "{}", page.text());
    settled(page.json(), gate.policies().parent().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_plugins() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    check(
        &expect_file!["expected/plugins.json"],
        &page(&gate, "/plugins").await,
    );

    std::fs::write(gate.policies().join("route.toml"), "ordre = 1\n").unwrap();
    std::fs::write(gate.policies().join("text.wasm"), "no wasm").unwrap();
    HOSTILE.install(&gate.policies()).unwrap();
    gate.running().policies().reload_now().unwrap();
    check(
        &expect_file!["expected/plugins_in_trouble.json"],
        &page(&gate, "/plugins").await,
    );
    assert!(SHIPPED.len() == 4, "all are on the page");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_upstreams() {
    let upstream = Upstream::start([Answer::error(500, "api_error", "scripted")]).await;
    let breaker = "breaker = { min_requests = 1, open_ms = 600000, max_open_ms = 600000 }";
    let gate = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .extra(&format!(
            "[upstreams.broken]\nbase_url = \"{}\"\nretry = {{ attempts = 0 }}\n{breaker}\n\
             [groups.both]\nmembers = [{{ upstream = \"broken\" }}]\n",
            upstream.url()
        ))
        .plugin(
            "route",
            ROUTE,
            "[[settings.resources]]\nname = \"to-broken\"\ntargets = [{ upstream = \"broken\" }]\n",
        )
        .start()
        .await;
    let mut body = body();
    body["model"] = "to-broken".into();
    let failed = gate.ask(&gate.messages(&body)).await;
    assert_eq!(failed.status, 500, "{}", failed.text());
    let upstreams = within_timeout("the failure is counted", async {
        loop {
            let page = page(&gate, "/upstreams").await;
            if page.contains("\"requests\": 1") {
                break page;
            }
            tokio::task::yield_now().await;
        }
    });
    check(&expect_file!["expected/upstreams.json"], &upstreams.await);

    let refused = gate.ask(&gate.messages(&body)).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    let text = steady(refused.text(), gate.policies().parent().unwrap());
    check(&expect_file!["expected/upstream_open.json"], &text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt() {
    let usage = json!({"input_tokens": 12, "output_tokens": 3});
    let upstream = Upstream::start([Answer::message("claude-haiku-4-5", "hi", &usage)]).await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let answered = gate.ask(&gate.messages(&body())).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
    let receipt = settled(gate.only_receipt().await, gate.policies().parent().unwrap());
    check(&expect_file!["expected/receipt.json"], &receipt);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_of_limits() {
    let upstream = Upstream::answering().await;
    let builder = GatewayBuilder::shipped()
        .admin(ADMIN_KEYS)
        .extra("[state]\ndirectory = \"state\"\n")
        .upstream("default", &upstream);
    let installation = Installation::new(&builder);
    let [write, _] = operators_keys(&installation.file(""));
    let process = installation.start().await;
    let operator = Operator::new(process.admin, &write);
    let scope = json!({"type": "user", "user_id": "acme/alice"});
    let set = json!({"scope": scope, "amount": "50000", "period": "daily", "reason": "a trial"});
    let until = "2099-01-01T00:00:00Z";
    let raise = json!({"scope": scope, "amount": "90000", "period": "daily", "until": until});
    let period = json!({"scope": scope, "period": "daily"});
    let told = json!({
        "set": operator.post("", &set).await,
        "override": operator.post("/override", &raise).await,
        "reset": operator.post("/reset", &period).await,
        "effective": operator.get("/effective?user_ids[]=acme/alice").await,
        "audit": operator.get("/audit").await,
    });
    check(
        &expect_file!["expected/spend_limits.json"],
        &settled(told, &installation.file("")),
    );
}
