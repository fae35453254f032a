//! Further callers, besides the one that every gateway of the tests has.

use std::io::Write as _;

use witgate_gateway::keys::NewKey;

use super::gateway::TestGateway;
use super::request::Request;

/// A further caller of a gate.
#[derive(Debug, Clone)]
pub struct Caller {
    key: String,
}

// === impl Caller ===

impl Caller {
    /// Lets in a caller of this tenant; `more` are further lines of its entry in the keys file.
    pub async fn admit(gate: &TestGateway, id: &str, tenant: &str, more: &str) -> Self {
        let key = NewKey::random();
        let entry = format!(
            "\n[[key]]\nid = \"{id}\"\nhash = \"{}\"\ntenant = \"{tenant}\"\nuser = \"{id}\"\ntier = \"pro\"\n{more}\n",
            key.hash
        );
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(gate.file("keys.toml"))
            .expect("a gate has a keys file");
        file.write_all(entry.as_bytes())
            .expect("the keys file takes another key");
        drop(file);
        gate.running().reload().await.expect("the new key is right");
        Self { key: key.secret }
    }

    /// The caller that every gate has, of the tenant `acme`.
    pub fn first(gate: &TestGateway) -> Self {
        Self {
            key: gate.key().to_owned(),
        }
    }

    /// The request with this caller's key.
    pub fn keyed(&self, request: Request) -> Request {
        request.set_header("x-api-key", &self.key)
    }

    /// A request without a body.
    pub fn request(&self, method: &str, target: &str) -> Request {
        self.keyed(Request::new(method, target).header("Host", "gateway.test"))
    }

    /// A request with a JSON body.
    pub fn post(&self, target: &str, body: &serde_json::Value) -> Request {
        self.request("POST", target)
            .header("content-type", "application/json")
            .body(body.to_string())
    }
}
