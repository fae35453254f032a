//! Secrets in recorded requests.

use serde_json::{Value, json};

use crate::harness::{GatewayBuilder, TestGateway, Upstream};

async fn recording(upstream: &Upstream, more: &str) -> TestGateway {
    GatewayBuilder::bare()
        .upstream("default", upstream)
        .extra(&format!("[capture]\ndir = \"recorded\"\n{more}"))
        .start()
        .await
}

/// All that was recorded, once the gateway has stopped.
async fn recorded(gate: TestGateway) -> String {
    let (_, folder) = gate.drain().await;
    let entries = std::fs::read_dir(folder.path().join("recorded")).unwrap();
    entries
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect()
}

fn body() -> Value {
    json!({"model": "claude-opus-5-5", "max_tokens": 5, "messages": []})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_is_recorded_with_its_value_only_where_replays_need_it() {
    let upstream = Upstream::answering().await;
    let gate = recording(&upstream, "headers = [\"x-team\"]\n").await;
    let secret = [
        "api-key",
        "x-goog-api-key",
        "x-amz-security-token",
        "cf-access-client-secret",
        "x-vault-token",
        "x-unheard-of",
    ];
    let mut request = gate
        .messages(&body())
        .header("anthropic-beta", "plain-beta")
        .header("x-stainless-lang", "plain-lang")
        .header("x-team", "plain-team");
    for name in secret {
        request = request.header(name, "hunter2hunter2");
    }
    assert_eq!(gate.ask(&request).await.status, 200);
    let text = recorded(gate).await;
    assert!(!text.contains("hunter2"), "no value of another: {text}");
    for name in secret
        .into_iter()
        .chain(["plain-beta", "plain-lang", "plain-team"])
    {
        assert!(text.contains(name), "{name} is there: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_holds_a_secret_is_blanked_even_where_content_is_kept() {
    let upstream = Upstream::answering().await;
    let gate = recording(&upstream, "insecure_content = true\n").await;
    let body = r#"{"model":"claude-opus-5-5","max_tokens":5,"messages":[],"mcp_servers":[
        {"type":"url","name":"plain-name","url":"https://u:hunter2@mcp.example/?key=hunter2","authorization_token":"hunter2"},
        {"authorization_\u0074oken":"hunter2","API-Key":"hunter2","client_secret":{"name":"hunter2","id":["hunter2"]}}],
        "max_tokens_note":"plain-note","tool_tokens":"plain-tokens"}"#;
    let request = gate.messages(&json!({})).body(body);
    assert_eq!(gate.ask(&request).await.status, 200);
    let text = recorded(gate).await;
    assert!(!text.contains("hunter2"), "no secret: {text}");
    for kept in ["plain-name", "plain-note", "plain-tokens", "mcp.example"] {
        assert!(text.contains(kept), "{kept} is kept: {text}");
    }
}
