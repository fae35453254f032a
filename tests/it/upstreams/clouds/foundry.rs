//! A stand-in for Microsoft Foundry that refuses what Foundry is known to refuse.
//!
//! Its rules are of other origin than the gateway's table: what Claude Code sends there (`host/foundry/tests/fixtures/claude_code.json`),
//! LiteLLM's list of betas that it drops, and Azure's form of errors in public reports.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::{Operation, invalid, number};
use crate::harness::{Answer, Recorded};

/// The key of the resource.
pub(super) const KEY: &str = "upstream-secret";

/// Deployments beside those that Claude Code asks for.
const DEPLOYMENTS: [&str; 3] = ["claude-sonnet-4-5", "claude-haiku-4-5", "ours"];

/// Betas that LiteLLM drops.
const DROPPED: [&str; 4] = [
    "dev-full-thinking-2025-05-14",
    "agent-memory-2026-07-22",
    "mcp-servers-2025-12-04",
    "advisor-tool-2026-03-01",
];

/// The rules of requests.
pub(super) struct Rules {
    deployments: BTreeSet<String>,
}

/// Returns an error in Azure's form.
pub(super) fn error(status: u16, code: &str, message: &str) -> Answer {
    let error = json!({"code": code, "message": message});
    let id = [("apim-request-id", "0a1b-azure")];
    Answer::json(status, &id, &json!({"error": error}))
}

// === impl Rules ===

impl Rules {
    pub(super) fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../host/foundry/tests/fixtures/claude_code.json");
        let rows: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut deployments: BTreeSet<_> = DEPLOYMENTS.map(str::to_owned).into();
        for row in rows.as_array().unwrap() {
            deployments.insert(row["body"]["model"].as_str().unwrap().to_owned());
        }
        Self { deployments }
    }

    /// Returns the operation. Tokens before the number `oldest` are expired.
    pub(super) fn check(
        &self,
        request: &Recorded,
        oldest: usize,
    ) -> Result<Operation, Box<Answer>> {
        let token = number(request.headers.get("authorization"));
        let has_key = request.headers.get("x-api-key") == Some(KEY);
        if !has_key && token.is_none_or(|number| number < oldest) {
            let message = "Access denied due to invalid subscription key or wrong API endpoint.";
            return Err(Box::new(error(401, "401", message)));
        }
        let counts = match request.target() {
            "/anthropic/v1/messages" => false,
            "/anthropic/v1/messages/count_tokens" => true,
            _ => return Err(Box::new(error(404, "404", "Resource not found"))),
        };
        let body: Value = serde_json::from_slice(&request.body).map_err(|_| invalid("no JSON"))?;
        let model = body["model"].as_str().unwrap_or_default();
        if !self.deployments.contains(model) {
            let message = "The API deployment for this resource does not exist.";
            return Err(Box::new(error(404, "DeploymentNotFound", message)));
        }
        if request.headers.get("anthropic-version").is_none() {
            return Err(invalid("anthropic-version: header is required"));
        }
        if body.get("anthropic_version").is_some() || body.get("anthropic_beta").is_some() {
            return Err(invalid("anthropic_version: Extra inputs are not permitted"));
        }
        let betas = request.headers.get("anthropic-beta").unwrap_or_default();
        if let Some(beta) = betas.split(',').find(|beta| DROPPED.contains(beta)) {
            return Err(invalid(&format!(
                "Unexpected value(s) `{beta}` for the `anthropic-beta` header."
            )));
        }
        Ok(match (counts, body["stream"] == true) {
            (true, _) => Operation::Count,
            (false, true) => Operation::Stream,
            (false, false) => Operation::Message,
        })
    }
}
