//! A stand-in for Vertex AI that refuses what Vertex AI is known to refuse.
//!
//! Its rules are of other origin than the gateway's table: Anthropic's page on Vertex AI, what Claude Code sends there
//! (`host/vertex/tests/fixtures/claude_code.json`), LiteLLM's list of betas, and Google's form of errors.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::{LOCATION, Operation, PROJECT, invalid, number};
use crate::harness::{Answer, Recorded};

/// Members of the API that Anthropic's page leaves the same, beside those that Claude Code sends.
const DESCRIBED: [&str; 6] = [
    "stop_sequences",
    "temperature",
    "top_p",
    "top_k",
    "tool_choice",
    "context_management",
];

/// The documented version, and the one that Anthropic's SDKs send.
const VERSIONS: [&str; 2] = ["vertex-2023-10-16", "2026-10-21"];

/// Members that LiteLLM passes.
const PASSED: [&str; 1] = ["safeguards"];

/// Betas that LiteLLM passes.
const BETAS: [&str; 8] = [
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "compact-2026-01-12",
    "per-turn-control-2026-07-01",
    "mid-conversation-tool-changes-2026-07-01",
    "thinking-display-updates-2026-08-18",
    "dangerous-tool-use-2026-09-03",
    "structured-outputs-2025-12-15",
];

/// The rules of requests.
pub(super) struct Rules {
    members: BTreeSet<String>,
    betas: BTreeSet<String>,
}

/// Returns an error in Google's form, with the machine's reason if there is one.
pub(super) fn error(status: u16, name: &str, reason: &str, message: &str) -> Answer {
    let details = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]);
    let mut error = json!({"code": status, "message": message, "status": name});
    if !reason.is_empty() {
        error["details"] = details;
    }
    Answer::json(status, &[], &json!({"error": error}))
}

// === impl Rules ===

impl Rules {
    pub(super) fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../host/vertex/tests/fixtures/claude_code.json");
        let rows: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut members: BTreeSet<_> = DESCRIBED.map(str::to_owned).into();
        members.extend(PASSED.map(str::to_owned));
        let mut betas: BTreeSet<_> = BETAS.map(str::to_owned).into();
        for row in rows.as_array().unwrap() {
            members.extend(row["body"].as_object().unwrap().keys().cloned());
            let sent = row["headers"]["anthropic-beta"]
                .as_str()
                .unwrap_or_default();
            betas.extend(sent.split(',').map(str::to_owned));
        }
        Self { members, betas }
    }

    /// Returns the operation. Tokens before the number `oldest` are expired.
    pub(super) fn check(
        &self,
        request: &Recorded,
        oldest: usize,
    ) -> Result<Operation, Box<Answer>> {
        let wrong = |status, name, message: &str| Box::new(error(status, name, "", message));
        let token = number(request.headers.get("authorization"));
        if token.is_none_or(|number| number < oldest) {
            let message = "Request had invalid authentication credentials.";
            return Err(wrong(401, "UNAUTHENTICATED", message));
        }
        assert_eq!(
            request.headers.get("x-api-key"),
            None,
            "no key of the gateway's goes on"
        );
        let project = format!("/v1/projects/{PROJECT}/");
        let Some(path) = request.target().strip_prefix(&project) else {
            return Err(wrong(
                403,
                "PERMISSION_DENIED",
                "Permission denied on resource project.",
            ));
        };
        let models = format!("locations/{LOCATION}/publishers/anthropic/models/");
        let found = path.strip_prefix(&models).and_then(|it| it.split_once(':'));
        let Some((model, method)) = found.filter(|_| request.method() == "POST") else {
            return Err(wrong(404, "NOT_FOUND", "Publisher Model was not found."));
        };
        let body: Value = serde_json::from_slice(&request.body).map_err(|_| invalid("no JSON"))?;
        let operation = match (model, method) {
            ("count-tokens", "rawPredict") => Operation::Count,
            (_, "rawPredict") => Operation::Message,
            (_, "streamRawPredict") => Operation::Stream,
            _ => return Err(wrong(404, "NOT_FOUND", "no such method")),
        };
        let named = match operation {
            Operation::Count => body["model"].as_str().unwrap_or_default(),
            Operation::Message | Operation::Stream => model,
        };
        let is_dated = named.rsplit('-').next().is_some_and(|it| it.len() == 8);
        let has_version = operation == Operation::Count && named.contains('@');
        if !named.starts_with("claude-") || is_dated || has_version {
            return Err(wrong(404, "NOT_FOUND", "Publisher Model was not found."));
        }
        self.check_body(&body, operation)?;
        self.check_betas(request)?;
        Ok(operation)
    }

    fn check_body(&self, body: &Value, operation: Operation) -> Result<(), Box<Answer>> {
        let extra = |place: &str| invalid(&format!("{place}: Extra inputs are not permitted"));
        let version = body["anthropic_version"].as_str().unwrap_or_default();
        if !VERSIONS.contains(&version) {
            return Err(invalid("anthropic_version: Field required"));
        }
        if (operation == Operation::Stream) != (body["stream"] == true) {
            return Err(invalid("stream: does not fit the method"));
        }
        let members = body.as_object().ok_or_else(|| invalid("no object"))?;
        let counts = operation == Operation::Count;
        let known = |name: &String| self.members.contains(name) || (counts && name == "model");
        if let Some(other) = members.keys().find(|name| !known(name)) {
            return Err(extra(other));
        }
        for tool in body["tools"].as_array().into_iter().flatten() {
            let kind = tool["type"].as_str().unwrap_or_default();
            let hosted = ["web_fetch_", "code_execution_", "mcp_toolset"];
            if hosted.iter().any(|hosted| kind.starts_with(hosted)) {
                return Err(invalid(&format!("tools: Input tag '{kind}' is not known")));
            }
        }
        Ok(())
    }

    fn check_betas(&self, request: &Recorded) -> Result<(), Box<Answer>> {
        let betas = request.headers.get("anthropic-beta").unwrap_or_default();
        let mut betas = betas.split(',').filter(|beta| !beta.is_empty());
        match betas.find(|beta| !self.betas.contains(*beta)) {
            None => Ok(()),
            Some(beta) => Err(invalid(&format!(
                "Unexpected value(s) `{beta}` for the `anthropic-beta` header."
            ))),
        }
    }
}
