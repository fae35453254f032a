//! Upstreams: which one is asked, with which credential, what is tried again, and what operators see of it.

mod asked;
mod attempts;
mod bedrock;
mod breaker;
mod capacity;
mod clouds;
mod credentials;
mod fallback;
mod groups;
mod health;
mod http2;
mod pool;
mod tls;

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, Request, TestGateway, within_timeout};

/// No further tries at the same target: what is tested here is what comes after them.
const ONCE: &str = "retry = { attempts = 0 }\n";

pub(crate) fn table(name: &str, url: &str, more: &str) -> String {
    format!(
        "[upstreams.{name}]\nbase_url = \"{url}\"\ncredential = {{ file = \"upstream.key\" }}\n{ONCE}{more}\n"
    )
}

fn body() -> Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []})
}

pub(crate) fn asking(gate: &TestGateway) -> Request {
    gate.messages(&body())
}

pub(crate) fn message() -> Answer {
    Answer::message("m", "hi", &json!({"input_tokens": 1, "output_tokens": 1}))
}

pub(crate) fn error(status: u16) -> Answer {
    Answer::error(status, "api_error", "scripted")
}

/// Returns the entry of an upstream on the page of upstreams.
pub(crate) async fn shown(gate: &TestGateway, name: &str) -> Value {
    let page = gate.admin("/upstreams").await.json();
    let list = page["upstreams"].as_array().unwrap();
    let found = list.iter().find(|upstream| upstream["name"] == name);
    found.unwrap_or_else(|| panic!("{name} in {page}")).clone()
}

pub(crate) async fn until_state(gate: &TestGateway, name: &str, state: &str) -> Value {
    within_timeout(&format!("{name} to be {state}"), async {
        loop {
            let shown = shown(gate, name).await;
            if shown["state"] == state {
                return shown;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}
