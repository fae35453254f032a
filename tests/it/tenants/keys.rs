//! Keys in the hands of their operator: created, listed, rotated, revoked and expired, while the gateway runs.

use std::time::Duration;

use serde_json::{Value, json};

use witgate_gateway::config::Config;
use witgate_gateway::{Options, Server};

use crate::harness::{
    Caller, Client, GatewayBuilder, Request, TestGateway, Upstream, complaint, printed, text,
    witgate, within_timeout,
};

async fn gateway(upstream: &Upstream) -> TestGateway {
    let builder = GatewayBuilder::bare().upstream("default", upstream);
    builder.start().await
}

fn body() -> Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []})
}

/// Runs `witgate key` on the gateway's keys file, and returns what it printed.
fn key(gate: &TestGateway, arguments: &[&str]) -> String {
    let arguments = [&["key"], arguments, &["--file", "keys.toml"]].concat();
    let output = witgate(&gate.file(""), &arguments);
    assert!(output.status.success(), "{}", text(&output));
    printed(&output)
}

/// Returns the secret that `witgate key` printed.
fn secret(printed: &str) -> String {
    let (_, secret) = printed.split_once("shown only once: ").expect("a secret");
    secret.trim().to_owned()
}

async fn status(gate: &TestGateway, secret: &str) -> u16 {
    let request = Request::messages(&body()).set_header("x-api-key", secret);
    gate.ask(&request).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_is_refused_by_the_gateway_that_runs() {
    let upstream = Upstream::answering().await;
    let gate = gateway(&upstream).await;
    let alice = gate.key().to_owned();
    let bob = secret(&key(&gate, &["new", "--id", "bob"]));
    let becomes = async |secret: &str, wanted: u16| {
        while status(&gate, secret).await != wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within_timeout("the new key to be read", becomes(&bob, 200)).await;
    key(&gate, &["revoke", "--id", "alice"]);
    within_timeout("the revoked key to be refused", becomes(&alice, 401)).await;
    assert_eq!(status(&gate, &bob).await, 200, "the other one stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_key_serves_beside_its_successor_until_the_grace_is_over() {
    let upstream = Upstream::answering().await;
    let gate = gateway(&upstream).await;
    let first = gate.key().to_owned();
    let told = key(&gate, &["rotate", "--id", "alice", "--grace", "1h"]);
    assert!(told.contains("the old key is valid until 20"), "{told}");
    let second = secret(&told);
    gate.running().reload().await.unwrap();
    assert_eq!(status(&gate, &first).await, 200, "within the grace");
    assert_eq!(status(&gate, &second).await, 200, "the new one");

    let third = secret(&key(&gate, &["rotate", "--id", "alice"]));
    gate.running().reload().await.unwrap();
    for (name, secret, wanted) in [
        ("first", first, 401),
        ("second", second, 401),
        ("third", third, 200),
    ] {
        assert_eq!(
            status(&gate, &secret).await,
            wanted,
            "the {name} key, without a grace"
        );
    }
    for receipt in gate.receipts_when(5).await {
        if receipt["status"] == 200 {
            assert_eq!(receipt["key"], "alice", "one owner: {receipt}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_key_is_refused_and_says_so() {
    let upstream = Upstream::answering().await;
    let gate = gateway(&upstream).await;
    let late = Caller::admit(&gate, "late", "acme", "expires = \"2026-01-01\"").await;
    let answer = gate.ask(&late.post("/v1/messages", &body())).await;
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert!(
        answer.text().contains("this key has expired"),
        "{}",
        answer.text()
    );
    assert_eq!(
        answer.headers.get("x-should-retry"),
        Some("false"),
        "no retries"
    );
    let valid = Caller::admit(&gate, "valid", "acme", "expires = \"2999-01-01\"").await;
    let answer = gate.ask(&valid.post("/v1/messages", &body())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_keys_shows_owners_and_states_and_no_hash() {
    let upstream = Upstream::answering().await;
    let gate = gateway(&upstream).await;
    let file = gate.file("keys.toml");
    let commented = format!(
        "# keys of the team\n{}",
        std::fs::read_to_string(&file).unwrap()
    );
    std::fs::write(&file, commented).unwrap();
    key(
        &gate,
        &[
            "new",
            "--id",
            "bob",
            "--tier",
            "free",
            "--model",
            "claude-haiku-*",
            "--expires",
            "2999-01-31",
        ],
    );
    key(&gate, &["new", "--id", "carol", "--expires", "2026-01-01"]);
    key(&gate, &["new", "--id", "dave"]);
    key(&gate, &["revoke", "--id", "dave"]);
    let list = key(&gate, &["list"]);
    let lines: Vec<Vec<&str>> = list
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines,
        [
            vec!["id", "tenant", "user", "tier", "models", "state"],
            vec!["alice", "acme", "alice", "pro", "all", "valid"],
            vec![
                "bob",
                "-",
                "-",
                "free",
                "claude-haiku-*",
                "valid",
                "until",
                "2999-01-31T00:00:00Z"
            ],
            vec![
                "carol",
                "-",
                "-",
                "-",
                "all",
                "expired",
                "2026-01-01T00:00:00Z"
            ],
            vec!["dave", "-", "-", "-", "all", "revoked"],
        ],
        "{list}"
    );
    assert!(!list.contains("sha256"), "no hash: {list}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("# keys of the team\n"),
        "comments stay: {text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_change_of_a_key_is_an_error_and_leaves_the_file_as_it_was() {
    let upstream = Upstream::answering().await;
    let gate = gateway(&upstream).await;
    let file = gate.file("keys.toml");
    let machine = format!(
        "\n[[key]]\nid = \"machine\"\ncertificate = \"sha256:{}\"\n\n[[key]]\nid = \"gone\"\nhash = \"sha256:{}\"\ndisabled = true\n",
        "ab".repeat(32),
        "cd".repeat(32)
    );
    let before = std::fs::read_to_string(&file).unwrap() + &machine;
    std::fs::write(&file, &before).unwrap();
    for (arguments, told) in [
        (
            &["revoke", "--id", "nobody"][..],
            "there is no key `nobody` in keys.toml",
        ),
        (
            &["revoke", "--id", "gone"],
            "the key `gone` is revoked already",
        ),
        (
            &["rotate", "--id", "gone"],
            "the key `gone` is revoked: create a new one",
        ),
        (
            &["rotate", "--id", "machine"],
            "the key `machine` is a client certificate",
        ),
        (
            &["rotate", "--id", "alice", "--grace", "soon"],
            "use a number and a unit",
        ),
        (&["new", "--id", "alice"], "give each key an id of its own"),
        (
            &["new", "--id", "x", "--expires", "soon"],
            "use a time such as",
        ),
    ] {
        let arguments = [&["key"], arguments, &["--file", "keys.toml"]].concat();
        let output = witgate(&gate.file(""), &arguments);
        assert!(!output.status.success(), "{arguments:?}");
        let complaint = complaint(&output);
        assert!(complaint.contains(told), "{arguments:?}: {complaint}");
        let after = std::fs::read_to_string(&file).unwrap();
        assert_eq!(after, before, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_keys_shows_their_last_use_across_reloads() {
    let upstream = Upstream::answering().await;
    let gate = gateway(&upstream).await;
    Caller::admit(&gate, "idle", "acme", "").await;
    assert_eq!(status(&gate, gate.key()).await, 200, "alice asks");
    gate.running().reload().await.unwrap();
    let page = gate.admin("/keys").await.json();
    assert_eq!(page["count"], 2, "{page}");
    let used = |id: &str| {
        let keys = page["keys"].as_array().unwrap();
        let key = keys.iter().find(|key| key["id"] == id).unwrap();
        assert_eq!(key["credential"], "key", "{key}");
        key["last_used_unix_ms"].as_u64()
    };
    assert!(used("alice").is_some(), "{page}");
    assert_eq!(used("idle"), None, "{page}");
    let first = gate.admin("/keys?limit=1").await.json();
    let next = first["next"].as_str().expect("a further page");
    let second = gate
        .admin(&format!("/keys?limit=1&cursor={next}"))
        .await
        .json();
    assert_eq!(second["next"], Value::Null, "{second}");
    assert_ne!(
        first["keys"][0]["id"], second["keys"][0]["id"],
        "each key once"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_use_of_a_key_outlives_a_restart() {
    let upstream = Upstream::answering().await;
    let builder = GatewayBuilder::bare().upstream("default", &upstream);
    let gate = builder
        .extra("[state]\ndirectory = \"state\"\n")
        .start()
        .await;
    Caller::admit(&gate, "idle", "acme", "").await;
    assert_eq!(status(&gate, gate.key()).await, 200, "alice asks");
    gate.receipts_when(1).await;
    let used = |page: &Value, id: &str| {
        let keys = page["keys"].as_array().unwrap();
        let key = keys.iter().find(|key| key["id"] == id).unwrap();
        key["last_used_unix_ms"].as_u64()
    };
    // The sums are up to date once they were asked for.
    assert_eq!(gate.admin("/usage").await.status, 200);
    let before = used(&gate.admin("/keys").await.json(), "alice").expect("a use");
    let (_, folder) = gate.drain().await;
    let config = Config::read(&folder.path().join("witgate.toml")).expect("as before");
    let next = within_timeout("the next start", Server::start(config, Options::default()))
        .await
        .unwrap();
    let address = next.admin().expect("an admin listener");
    let response = Client::connect(address)
        .await
        .ask(&Request::new("GET", "/keys"))
        .await;
    let page = response.json();
    let after = used(&page, "alice").expect("it is known");
    assert!(after.abs_diff(before) < 60_000, "{after} and {before}");
    assert_eq!(used(&page, "idle"), None, "{page}");
    let listed = printed(&witgate(
        folder.path(),
        &["key", "list", "--config", "witgate.toml"],
    ));
    let line = |id: &str| listed.lines().find(|line| line.starts_with(id)).unwrap();
    assert!(
        listed.lines().next().unwrap().ends_with("last used"),
        "{listed}"
    );
    assert!(line("alice").ends_with('Z'), "a time: {listed}");
    assert!(line("idle").ends_with('-'), "none: {listed}");
    within_timeout("the drain", next.drain()).await;
}
