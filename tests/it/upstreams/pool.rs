//! Pools of credentials: which one a request is sent with, what becomes of it at a limit, and what operators see of it.

mod limits;
mod owned;
mod standin;
mod trouble;

use serde_json::{Value, json};
use witgate_artifacts::ENVELOPE;

use self::standin::Standin;
use crate::harness::{GatewayBuilder, Request, TestGateway};

/// Returns the secret of a credential.
fn secret(name: &str) -> String {
    format!("sk-pool-{name}-secret")
}

/// Writes the files of the credentials into a folder of their own.
fn secrets(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        std::fs::write(folder.path().join(name), secret(name)).unwrap();
    }
    folder
}

/// Returns the table of an upstream with a credential for each file of these names.
fn table(upstream: &str, url: &str, folder: &tempfile::TempDir, names: &[&str]) -> String {
    let entries: Vec<String> = names
        .iter()
        .map(|name| {
            let file = folder.path().join(name);
            format!("{{ name = \"{name}\", file = \"{}\" }}", file.display())
        })
        .collect();
    format!(
        "[upstreams.{upstream}]\nbase_url = \"{url}\"\nretry = {{ attempts = 0 }}\ncredentials = [{}]\n",
        entries.join(", ")
    )
}

/// Starts a gateway that knows sessions, with more of a configuration.
async fn gateway(extra: &str) -> TestGateway {
    GatewayBuilder::bare()
        .plugin("envelope", ENVELOPE, "")
        .extra(extra)
        .start()
        .await
}

/// Returns a request of an agent in a session.
fn asking(gate: &TestGateway, agent: usize, body: &Value) -> Request {
    gate.messages(body)
        .header("X-Claude-Code-Session-Id", "session-1")
        .header("X-Claude-Code-Agent-Id", &format!("agent-{agent}"))
}

fn body() -> Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []})
}

fn streaming() -> Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 5, "stream": true, "messages": []})
}

/// Returns the attempts of a receipt in their order.
fn attempts(receipt: &Value) -> Vec<&Value> {
    let attempts = receipt["attempts"].as_object();
    let count = attempts.map_or(0, serde_json::Map::len);
    (0..count)
        .map(|index| &receipt["attempts"][index.to_string()])
        .collect()
}

/// Returns the entry of a credential on the page of upstreams.
async fn shown(gate: &TestGateway, upstream: &str, credential: &str) -> Value {
    let shown = super::shown(gate, upstream).await;
    let list = shown["credentials"].as_array().cloned().unwrap_or_default();
    let found = list.iter().find(|entry| entry["name"] == credential);
    found
        .unwrap_or_else(|| panic!("{credential} in {shown}"))
        .clone()
}

/// Returns an agent that is given this credential, by asking for one after the other.
async fn agent_of(gate: &TestGateway, standin: &Standin, credential: &str, from: usize) -> usize {
    for agent in from..from + 100 {
        let response = gate.ask(&asking(gate, agent, &body())).await;
        assert_eq!(response.status, 200, "{}", response.text());
        if standin.last() == credential {
            return agent;
        }
    }
    panic!("a hundred agents, and none of them with {credential}");
}
