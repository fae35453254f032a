//! Ways around policy: overrides, batches, edits, and plugins that return what makes no sense.

mod batches;
mod edits;
mod keys;
mod overrides;
mod returned;
mod tools;

use serde_json::json;

use crate::harness::{Request, Response, TestGateway};

/// Asks for an answer of this model.
fn asking(gate: &TestGateway, model: &str) -> Request {
    gate.messages(&json!({"model": model, "max_tokens": 5, "messages": []}))
}

/// Returns the message of an error of the gateway's own.
fn told(response: &Response) -> String {
    let body = response.json();
    body["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}
