//! Requests of other APIs, which a plugin translates.

mod faults;
mod openai;
mod openai_streams;
mod reload;
mod responses;

use serde_json::{Value, json};
use witgate_artifacts::{HOSTILE, OPENAI};

use crate::harness::{GatewayBuilder, Request, TestGateway, Upstream};

const MODEL: &str = "claude-haiku-4-5";

const CHAT: &str = "/v1/chat/completions";

/// The sidecar that the openai plugin ships with, and further settings.
fn shipped_sidecar(settings: &str) -> String {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../policies/optional/openai.toml"
    );
    let sidecar = std::fs::read_to_string(file).expect("the sidecar is shipped");
    format!("{sidecar}\n{settings}")
}

fn openai(upstream: &Upstream) -> GatewayBuilder {
    GatewayBuilder::shipped()
        .plugin("openai", OPENAI, &shipped_sidecar(""))
        .upstream("default", upstream)
}

/// A gateway with a plugin that claims `/x` and does what its settings say.
async fn hostile(upstream: &Upstream, settings: &str) -> TestGateway {
    let sidecar = format!(
        "[limits]\nmemory_mib = 256\n[grants]\nbody = \"read\"\nheaders = [\"x-hostile\"]\nkv = true\nmetrics = true\nclock = true\nclaims = [\"/x\"]\n[hooks.translate]\ndeadline_ms = 500\n[settings]\nclaims = [\"/x\"]\n{settings}\n"
    );
    GatewayBuilder::bare()
        .plugin("hostile", HOSTILE, &sidecar)
        .upstream("default", upstream)
        .start()
        .await
}

/// A request as OpenAI's clients send it.
fn chat(gate: &TestGateway, body: &Value) -> Request {
    post(gate, CHAT, body)
}

fn post(gate: &TestGateway, path: &str, body: &Value) -> Request {
    Request::new("POST", path)
        .header("Host", "gateway.test")
        .header("Authorization", &format!("Bearer {}", gate.key()))
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes())
}

fn get(gate: &TestGateway, path: &str) -> Request {
    Request::new("GET", path)
        .header("Host", "gateway.test")
        .header("Authorization", &format!("Bearer {}", gate.key()))
}

fn asking(text: &str) -> Value {
    json!({"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": text}]})
}

fn streaming() -> Value {
    let mut body = asking("hi");
    body["stream"] = json!(true);
    body["stream_options"] = json!({"include_usage": true});
    body
}
