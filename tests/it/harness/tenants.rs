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
        let more = format!("tenant = \"{tenant}\"\nuser = \"{id}\"\ntier = \"pro\"\n{more}");
        Self::admit_as(gate, id, &more).await
    }

    /// Lets in a caller of the tier `pro` without a tenant and a user.
    pub async fn admit_alone(gate: &TestGateway, id: &str) -> Self {
        Self::admit_as(gate, id, "tier = \"pro\"").await
    }

    /// Lets in a caller with these lines in the keys file.
    pub async fn admit_as(gate: &TestGateway, id: &str, lines: &str) -> Self {
        let key = NewKey::random();
        let hash = &key.hash;
        let entry = format!("\n[[key]]\nid = \"{id}\"\nhash = \"{hash}\"\n{lines}\n");
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
