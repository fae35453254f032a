//! Vertex AI and Microsoft Foundry as upstreams: clients of the API are served by them and see no difference.

mod answers;
mod checked;
mod credentials;
mod errors;
mod foundry;
mod pairs;
mod tokens;
mod vertex;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use self::tokens::Tokens;
use crate::harness::{Answer, Events, GatewayBuilder, Recorded, TestGateway, Upstream};

/// The project of Google's that serves requests.
const PROJECT: &str = "my-project";
/// The location that serves requests.
const LOCATION: &str = "europe-west1";

/// The clouds of these tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Vertex,
    Foundry,
}

const BOTH: [Kind; 2] = [Kind::Vertex, Kind::Foundry];

/// A stand-in for a cloud, with the endpoint that gives tokens for it.
struct Cloud {
    kind: Kind,
    upstream: Upstream,
    tokens: Tokens,
    /// The first token that is not expired.
    least: Arc<AtomicUsize>,
    folder: TempDir,
}

// === impl Kind ===

impl Kind {
    fn code(self) -> &'static str {
        match self {
            Self::Vertex => "vertex",
            Self::Foundry => "foundry",
        }
    }

    /// Returns the path of a request with a model.
    fn path(self, model: &str, method: &str) -> String {
        match (self, method) {
            (Self::Vertex, _) => format!(
                "/v1/projects/{PROJECT}/locations/{LOCATION}/publishers/anthropic/models/{model}:{method}"
            ),
            (Self::Foundry, _) => "/anthropic/v1/messages".to_owned(),
        }
    }
}

// === impl Cloud ===

impl Cloud {
    /// Starts one that answers everything.
    async fn start(kind: Kind) -> Self {
        Self::start_with(kind, |operation, _| usual(operation)).await
    }

    /// Starts one whose answers to valid requests come from `answer`, with the operation and the request.
    async fn start_with(
        kind: Kind,
        mut answer: impl FnMut(Operation, &Recorded) -> Answer + Send + 'static,
    ) -> Self {
        let least = Arc::new(AtomicUsize::new(1));
        let oldest = Arc::clone(&least);
        let (vertex, foundry) = (vertex::Rules::read(), foundry::Rules::read());
        let upstream = Upstream::start_with(move |request| {
            let oldest = oldest.load(Ordering::SeqCst);
            let checked = match kind {
                Kind::Vertex => vertex.check(request, oldest),
                Kind::Foundry => foundry.check(request, oldest),
            };
            match checked {
                Ok(operation) => answer(operation, request),
                Err(refused) => *refused,
            }
        })
        .await;
        Self {
            kind,
            upstream,
            tokens: Tokens::start(|_| 3_600).await,
            least,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Lets all tokens before this one be expired.
    fn expire_before(&self, number: usize) {
        self.least.store(number, Ordering::SeqCst);
    }

    /// Returns the table of an upstream without a credential.
    fn bare(&self, name: &str, more: &str) -> String {
        let place = match self.kind {
            Kind::Vertex => format!("project = \"{PROJECT}\"\nlocation = \"{LOCATION}\"\n"),
            Kind::Foundry => "resource = \"my-resource\"\n".to_owned(),
        };
        format!(
            "[upstreams.{name}]\nkind = \"{}\"\n{place}endpoint = \"{}\"\nretry = {{ attempts = 0 }}\n{more}\n",
            self.kind.code(),
            self.upstream.url()
        )
    }

    /// Returns the table of an upstream with a service account's key, or a client's secret.
    fn table(&self, name: &str, more: &str) -> String {
        let credential = match self.kind {
            Kind::Vertex => {
                let file = self.write("key.json", &self.tokens.service_account().to_string());
                format!("[upstreams.{name}.google]\nfile = \"{file}\"\n")
            }
            Kind::Foundry => {
                let file = self.write("secret", tokens::CLIENT_SECRET);
                format!(
                    "[upstreams.{name}.entra]\ntenant_id = \"tenant-1\"\nclient_id = \"client-1\"\nclient_secret_file = \"{file}\"\nauthority = \"{}\"\n",
                    self.tokens.endpoint.url()
                )
            }
        };
        self.bare(name, more) + &credential
    }

    /// Writes a file, and returns its path.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Starts a gateway with this upstream alone.
    async fn gate(&self, more: &str) -> TestGateway {
        gate(&self.table("cloud", more)).await
    }
}

/// Starts a gateway with the upstream `cloud`.
async fn gate(table: &str) -> TestGateway {
    GatewayBuilder::bare()
        .top("default_upstream = \"cloud\"")
        .extra(table)
        .start()
        .await
}

/// The operations of both clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Message,
    Stream,
    Count,
}

/// Returns the usual answer to an operation.
fn usual(operation: Operation) -> Answer {
    let id = ("request-id", "req_vrtx_01");
    match operation {
        Operation::Message => Answer::json(200, &[id], &message()),
        Operation::Stream => Answer::sse_with(&[id], &events()),
        Operation::Count => Answer::json(200, &[id], &json!({"input_tokens": 14})),
    }
}

/// The stream of a usual answer.
fn events() -> Events {
    Events::begin("claude-sonnet-4-5-20250929")
        .thinking(&["hm", " well"])
        .text(&["Hello", " there"])
        .tool_use("get_weather", &["{\"city\":", "\"Berlin\"}"])
        .end("tool_use")
}

/// The message of a usual answer.
fn message() -> Value {
    json!({
        "id": "msg_vrtx_01", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 25, "output_tokens": 2},
    })
}

/// Returns an error of the model, in the API's own form.
fn invalid(message: &str) -> Box<Answer> {
    Box::new(Answer::error(400, "invalid_request_error", message))
}

/// A request whose model both sides know.
fn body() -> Value {
    json!({
        "model": "claude-sonnet-4-5", "max_tokens": 64,
        "messages": [{"role": "user", "content": "hello"}],
    })
}

fn streamed() -> Value {
    let mut body = body();
    body["stream"] = true.into();
    body
}

/// Returns the number of a token of [`Tokens`].
fn number(authorization: Option<&str>) -> Option<usize> {
    let token = authorization?.strip_prefix("Bearer ")?;
    token.strip_prefix(tokens::TOKEN)?.parse().ok()
}
