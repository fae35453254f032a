//! Plugins that ask for something they can't have, as operators and authors see it.

use serde_json::json;
use witgate_artifacts::{HOSTILE, ROUTE};

use crate::harness::{GatewayBuilder, Request, Upstream};
use crate::harness::{text, witgate};

#[tokio::test]
async fn a_grant_of_a_credential_is_refused_with_its_line() {
    let upstream = Upstream::answering().await;
    let sidecar = "[grants]\nbody = \"head\"\nheaders = [\"x-team\", \"Authorization\", \"cookie\", \"x-*\"]\n";
    let builder = GatewayBuilder::bare().upstream("default", &upstream);
    let (folder, _) = builder.plugin("route", ROUTE, sidecar).lay_out();
    let told = text(&witgate(folder.path(), &["check"]));
    for line in [
        "route.toml:3: `grants.headers[1]`: `Authorization` carries credentials, which plugins never see",
        "route.toml:3: `grants.headers[2]`: `cookie` carries credentials",
    ] {
        assert!(told.contains(line), "{line:?} is told in:\n{told}");
    }
    assert!(
        !told.contains("headers[3]"),
        "the beginning means the others:\n{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_has_its_bytes_on_the_receipt() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .start()
        .await;
    let refused = gate
        .ask(&Request::messages(&json!({"model": "x", "max_tokens": 1})))
        .await;
    assert_eq!(refused.status, 401, "{}", refused.text());
    let receipt = gate.only_receipt().await;
    assert_eq!(
        receipt["bytes"]["response"].as_u64(),
        Some(refused.body.len() as u64),
        "{receipt}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_whose_last_good_version_serves_counts_as_serving_and_as_refused() {
    let upstream = Upstream::answering().await;
    let builder = GatewayBuilder::bare().upstream("default", &upstream);
    let gate = builder.plugin("route", ROUTE, "").start().await;
    let page = gate.admin("/metrics").await.text().to_owned();
    assert!(
        page.contains("witgate_plugin_serving{plugin=\"route\"} 1"),
        "{page}"
    );
    assert!(
        page.contains("witgate_plugin_refused{plugin=\"route\"} 0"),
        "{page}"
    );

    std::fs::write(gate.policies().join("route.toml"), "ordre = 1\n").unwrap();
    gate.running().policies().reload_now().unwrap();
    let page = gate.admin("/metrics").await.text().to_owned();
    assert!(
        page.contains("witgate_plugin_serving{plugin=\"route\"} 1"),
        "it serves on: {page}"
    );
    assert!(
        page.contains("witgate_plugin_refused{plugin=\"route\"} 1"),
        "its newest files don't: {page}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_plugin_is_named_with_the_reason_in_the_refusal() {
    let upstream = Upstream::answering().await;
    let builder = GatewayBuilder::bare().upstream("default", &upstream);
    let gate = builder.plugin("bad", HOSTILE, "").start().await;
    let body = json!({"model": "claude-haiku-4-5", "max_tokens": 1, "messages": []});
    let traps = gate.messages(&body).header("x-hostile", "route:trap");
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(gate.ask(&traps).await.text().to_owned());
    }
    assert!(
        told[0].contains("the plugin `bad` failed in its route hook (it panicked)"),
        "in plain words: {}",
        told[0]
    );
    assert!(
        told[3].contains("the plugin `bad` is suspended for this caller after repeated faults"),
        "{}",
        told[3]
    );
}
