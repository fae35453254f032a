//! Guards in the gateway: the texts of requests and answers that they read and change.

mod answers;
mod bodies;
mod edits;
mod failures;
mod http2;
mod requests;
mod results;
mod streams;

use serde_json::{Value, json};
use witgate_artifacts::WARDEN;

use crate::harness::{GatewayBuilder, Request, TestGateway, Upstream};

const MODEL: &str = "claude-haiku-4-5";

/// Replaces a word in every text, even one that comes in two pieces.
const REPLACING: &str = "content = [\"system\", \"user\", \"assistant\", \"tool-result\", \"text\", \"thinking\", \"tool-input\", \"server-tool-result\", \"end\"]\n\
                         hold = 5\nfind = \"SECRET\"\nreplace = \"[x]\"\n";

/// The sidecar of a guard with these settings.
fn sidecar(settings: &str) -> String {
    format!("[grants]\ncontent = [\"request\", \"response\"]\n[settings]\n{settings}\n")
}

/// A gateway with one guard.
async fn guarded(upstream: &Upstream, settings: &str) -> TestGateway {
    builder(upstream, settings).start().await
}

fn builder(upstream: &Upstream, settings: &str) -> GatewayBuilder {
    GatewayBuilder::bare()
        .plugin("warden", WARDEN, &sidecar(settings))
        .upstream("default", upstream)
}

fn asking(gate: &TestGateway, content: &str) -> Request {
    gate.messages(&body(content))
}

fn streaming(gate: &TestGateway) -> Request {
    let mut body = body("hi");
    body["stream"] = json!(true);
    gate.messages(&body)
}

fn body(content: &str) -> Value {
    json!({"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": content}]})
}
