//! Keys that are revoked, answers that are not about the key, reloads in the middle, and mistakes in the configuration.

use std::path::Path;

use serde_json::json;
use witgate_gateway::config::Config;

use super::standin::{Refusal, Standin};
use super::{agent_of, asking, attempts, body, gateway, secret, secrets, shown, table};
use crate::harness::{GatewayBuilder, text, witgate, within_timeout};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overloaded_upstream_is_asked_with_one_key() {
    for status in [529, 500, 503] {
        let standin = Standin::start(&[("a", 0), ("b", 0), ("c", 0)]).await;
        for name in ["a", "b", "c"] {
            standin.limit(name, 0, Refusal::Status(status));
        }
        let folder = secrets(&["a", "b", "c"]);
        let gate = gateway(&table(
            "only",
            &standin.upstream.url(),
            &folder,
            &["a", "b", "c"],
        ))
        .await;
        let response = gate.ask(&asking(&gate, 1, &body())).await;
        assert_eq!(response.status, status, "as it came");
        assert_eq!(standin.upstream.requests().len(), 1, "{status}: one key");
        for name in ["a", "b", "c"] {
            let credential = shown(&gate, "only", name).await;
            assert_eq!(credential["state"], "available", "{credential}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_revoked_in_the_middle_is_left_out_until_it_is_renewed() {
    let standin = Standin::start(&[("a", 1000), ("b", 1000)]).await;
    let folder = secrets(&["a", "b"]);
    let gate = gateway(&table(
        "only",
        &standin.upstream.url(),
        &folder,
        &["a", "b"],
    ))
    .await;
    let agent = agent_of(&gate, &standin, "b", 0).await;
    standin.limit("b", 0, Refusal::Status(401));
    for number in 0..10 {
        let response = gate.ask(&asking(&gate, agent + number, &body())).await;
        assert_eq!(response.status, 200, "{}", response.text());
    }
    assert_eq!(standin.key("b").refused, 1, "it was noticed once");
    let b = shown(&gate, "only", "b").await;
    assert_eq!(b["state"], "refused", "{b}");
    assert_eq!(b["refused_with"], 401, "{b}");

    // Its file gets a new secret, which the upstream knows.
    standin.limit("b", 1000, Refusal::Status(401));
    let next = folder.path().join("next");
    std::fs::write(&next, format!("{}-2", secret("b"))).unwrap();
    std::fs::rename(&next, folder.path().join("b")).unwrap();
    within_timeout("the renewed key", async {
        let mut agent = 200;
        while standin.last() != "b" {
            let response = gate.ask(&asking(&gate, agent, &body())).await;
            assert_eq!(response.status, 200, "{}", response.text());
            agent += 1;
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    let b = shown(&gate, "only", "b").await;
    assert_eq!(b["state"], "available", "{b}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_refused_with_every_key_takes_none_of_them_out() {
    for status in [401, 403] {
        let standin = Standin::start(&[("a", 1000), ("b", 1000)]).await;
        let folder = secrets(&["a", "b"]);
        let gate = gateway(&table(
            "only",
            &standin.upstream.url(),
            &folder,
            &["a", "b"],
        ))
        .await;
        let agent = agent_of(&gate, &standin, "b", 0).await;
        for name in ["a", "b"] {
            standin.limit(name, 0, Refusal::Status(status));
        }
        let response = gate.ask(&asking(&gate, agent, &body())).await;
        assert_eq!(response.status, status, "the upstream's own answer");
        for name in ["a", "b"] {
            standin.limit(name, 1000, Refusal::Status(status));
            let credential = shown(&gate, "only", name).await;
            assert_eq!(credential["state"], "available", "{credential}");
        }
        let response = gate.ask(&asking(&gate, agent, &body())).await;
        assert_eq!(response.status, 200, "the next one is served");
        assert_eq!(standin.last(), "b", "and the session is where it was");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_429_that_says_nothing_cools_a_key_once_another_one_served() {
    let standin = Standin::start(&[("a", 1000), ("b", 1000)]).await;
    let folder = secrets(&["a", "b"]);
    let gate = gateway(&table(
        "only",
        &standin.upstream.url(),
        &folder,
        &["a", "b"],
    ))
    .await;
    let agent = agent_of(&gate, &standin, "b", 0).await;
    standin.limit("b", 0, Refusal::Bare);
    let response = gate.ask(&asking(&gate, agent, &body())).await;
    assert_eq!(response.status, 200, "the other key served");
    let b = shown(&gate, "only", "b").await;
    assert_eq!(b["limited"], 1, "{b}");
    // The pause is a second, which may be over by now.
    assert!(
        b["state"] == "cooling" || b["state"] == "exhausted" || b["for_ms"].is_null(),
        "{b}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_keeps_what_is_known_of_unchanged_keys() {
    let standin = Standin::start(&[("a", 1000), ("b", 1000), ("c", 1000)]).await;
    let folder = secrets(&["a", "b", "c"]);
    let url = standin.upstream.url();
    let two = table("only", &url, &folder, &["a", "b"]);
    let gate = gateway(&two).await;
    let agent = agent_of(&gate, &standin, "b", 0).await;
    let stays = agent_of(&gate, &standin, "a", 0).await;
    standin.limit("b", 0, Refusal::After(600));
    assert_eq!(
        gate.ask(&asking(&gate, agent, &body())).await.status,
        200,
        "by a"
    );
    let file = gate.file("witgate.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let three = table("only", &url, &folder, &["c", "a", "b"]);
    assert!(text.contains(&two), "the table is in {text}");
    std::fs::write(&file, text.replace(&two, &three)).unwrap();
    gate.running().reload().await.expect("it is right");
    let b = shown(&gate, "only", "b").await;
    assert_eq!(b["state"], "cooling", "{b}");
    for agent in [agent, stays] {
        assert_eq!(
            gate.ask(&asking(&gate, agent, &body())).await.status,
            200,
            "served"
        );
        assert_eq!(standin.last(), "a", "a session stays where it is");
    }
    assert_eq!(standin.key("b").refused, 1, "a cooling key is left alone");
    agent_of(&gate, &standin, "c", 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_in_no_answer_and_on_no_page_and_receipt() {
    let standin = Standin::start(&[("a", 3), ("b", 0)]).await;
    standin.limit("b", 0, Refusal::Status(401));
    let folder = secrets(&["a", "b"]);
    let gate = gateway(&table(
        "only",
        &standin.upstream.url(),
        &folder,
        &["a", "b"],
    ))
    .await;
    let mut seen = Vec::new();
    for agent in 0..12 {
        let response = gate.ask(&asking(&gate, agent, &body())).await;
        seen.push(format!("{:?} {}", response.headers, response.text()));
    }
    for page in ["/upstreams", "/metrics", "/config", "/status"] {
        seen.push(gate.admin(page).await.text().to_owned());
    }
    let receipts = gate.receipts_when(12).await;
    seen.extend(receipts.iter().map(ToString::to_string));
    for text in seen {
        assert!(!text.contains("sk-pool"), "a key in {text}");
    }
    let config = Config::read(&gate.file("witgate.toml")).expect("it is right");
    let shown = format!("{:?}", config.upstreams);
    assert!(!shown.contains("sk-pool"), "a key in {shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_with_one_credential_names_none() {
    let standin = Standin::start(&[("a", 10)]).await;
    let folder = secrets(&["a"]);
    let file = folder.path().join("a");
    let gate = gateway(&format!(
        "[upstreams.only]\nbase_url = \"{}\"\ncredential = {{ file = \"{}\" }}\n",
        standin.upstream.url(),
        file.display()
    ))
    .await;
    assert_eq!(
        gate.ask(&asking(&gate, 1, &body())).await.status,
        200,
        "served"
    );
    let receipt = gate.only_receipt().await;
    let attempt = attempts(&receipt).pop().expect("an attempt").clone();
    assert_eq!(attempt.get("credential"), None, "{receipt}");
    let upstream = crate::upstreams::shown(&gate, "only").await;
    assert_eq!(upstream["credentials"], json!(null), "{upstream}");
    let metrics = gate.admin("/metrics").await;
    assert!(
        !metrics.text().contains("upstream_credential"),
        "no families"
    );
}

#[tokio::test]
async fn the_credentials_of_a_pool_are_named_by_check() {
    let folder = secrets(&["a", "b"]);
    let pool = table("only", "http://127.0.0.1:1", &folder, &["b", "a"]);
    let (gate, _) = GatewayBuilder::bare().extra(&pool).lay_out();
    let told = text(&witgate(gate.path(), &["check"]));
    let line =
        "upstream only: 2 credentials (b, a); files, batches, containers and skills belong to b\n";
    assert!(told.contains(line), "{told}");
    assert!(!told.contains("sk-pool"), "no secret in {told}");
}

#[test]
fn mistakes_in_a_pool_are_all_reported() {
    let text = |credentials: &str| {
        format!(
            "[listen]\naddress = \"127.0.0.1:0\"\n[keys]\ninsecure_open = true\n[plugins]\ndirectory = \"/\"\n\
             [upstreams.a]\nbase_url = \"http://x\"\n{credentials}\n"
        )
    };
    let problems = |credentials: &str| {
        let read = Config::parse(Path::new("/w.toml"), &text(credentials));
        read.expect_err("it is wrong").to_string()
    };
    let cat = "command = [\"cat\"]";
    for (credentials, expected) in [
        ("credentials = []".to_owned(), "must have at least one"),
        (
            format!("credential = {{ {cat} }}\ncredentials = [{{ name = \"a\", {cat} }}]"),
            "must not stand beside `credential`",
        ),
        (
            format!("credentials = [{{ name = \"a\", {cat} }}, {{ name = \"a\", {cat} }}]"),
            "is the name of another credential",
        ),
        (
            format!("credentials = [{{ name = \"a b\", {cat} }}]"),
            "it is public, so it must not be the credential itself",
        ),
        (
            format!("credentials = [{{ name = \"a\", {cat}, soft = 5, hard = 10 }}]"),
            "must be at least `hard`",
        ),
        (
            format!("credentials = [{{ name = \"a\", {cat}, weight = 0 }}]"),
            "must be between 1 and 100",
        ),
        (
            format!("credentials = [{{ name = \"a\", {cat}, colour = 1 }}]"),
            "colour",
        ),
        (
            "credentials = [{ name = \"a\" }]".to_owned(),
            "must have exactly one of",
        ),
    ] {
        let problems = problems(&credentials);
        assert!(problems.contains(expected), "{credentials}: {problems}");
    }
}
