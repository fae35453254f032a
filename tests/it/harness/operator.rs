//! Operators with keys for limits, and what they ask the admin listener for.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use witgate_gateway::keys::NewKey;

use super::{Client, Request, Response};

/// The API of limits.
pub const SPEND_LIMITS: &str = "/v1/organizations/spend_limits";

/// The line of `[admin]` that names the file of operators' keys.
pub const ADMIN_KEYS: &str = "keys = \"admin-keys.toml\"";

/// An operator with a key.
#[derive(Debug, Clone)]
pub struct Operator {
    admin: SocketAddr,
    pub key: String,
}

/// Writes the keys of an operator who may change limits and of one who may read them into a folder. Returns both.
pub fn operators_keys(folder: &Path) -> [String; 2] {
    let [write, read] = ["write", "read"].map(|role| (role, NewKey::random()));
    let entries = [&write, &read].map(|(role, key)| {
        let hash = &key.hash;
        format!("[[key]]\nid = \"{role}r\"\nhash = \"{hash}\"\nrole = \"{role}\"\n")
    });
    std::fs::write(folder.join("admin-keys.toml"), entries.concat()).unwrap();
    [write.1.secret, read.1.secret]
}

// === impl Operator ===

impl Operator {
    pub fn new(admin: SocketAddr, key: &str) -> Self {
        Self {
            admin,
            key: key.to_owned(),
        }
    }

    /// A request to a path below the API, with the operator's key.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, &format!("{SPEND_LIMITS}{path}"))
            .header("Host", "127.0.0.1")
            .header("x-api-key", &self.key)
    }

    /// A request with a JSON body.
    pub fn posting(&self, path: &str, body: &Value) -> Request {
        self.request("POST", path)
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    pub async fn ask(&self, request: &Request) -> Response {
        Client::connect(self.admin).await.ask(request).await
    }

    /// The answer to a `GET`, which has to be right.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.ask(&self.request("GET", path)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// The answer to a `POST`, which has to be right.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.ask(&self.posting(path, body)).await;
        assert_eq!(answer.status, 200, "{path} {body}: {}", answer.text());
        answer.json()
    }

    /// The row of an account and window among the limits in force.
    pub async fn effective(&self, account: &str, window: &str) -> Value {
        let path = format!("/effective?account[]={account}&window[]={window}");
        let page = self.get(&path).await;
        page["data"][0].clone()
    }
}
