//! Headers of an answer that a plugin names.

use serde_json::json;
use witgate_artifacts::HOSTILE;

use crate::harness::{GatewayBuilder, Upstream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_sets_headers_that_are_named_and_no_other() {
    let upstream = Upstream::answering().await;
    for (name, sent) in [
        ("location", false),
        ("clear-site-data", false),
        ("alt-svc", false),
        ("retry-after", false),
        ("request-id", false),
        ("strict-transport-security", false),
        ("access-control-allow-origin", false),
        ("www-authenticate", false),
        ("refresh", false),
        ("link", false),
        ("x-should-retry", false),
        ("x-accel-redirect", false),
        ("x-request-id", false),
        ("x-marker", true),
        ("cache-control", true),
    ] {
        let sidecar = format!("[settings]\nmarker = \"m\"\nmarker_header = \"{name}\"\n");
        let gate = GatewayBuilder::bare()
            .plugin("hostile", HOSTILE, &sidecar)
            .upstream("default", &upstream)
            .start()
            .await;
        let body = json!({"model": "m", "max_tokens": 5, "messages": []});
        let response = gate.ask(&gate.messages(&body)).await;
        assert_eq!(response.status, 200, "{name}: {}", response.text());
        let there = response.headers.all(name).any(|value| value == "m");
        assert_eq!(there, sent, "{name}");
    }
}
