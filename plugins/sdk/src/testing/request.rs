//! Made-up requests.

use super::facts::Facts;
use super::grants::Grants;
use super::scan::Scan;
use crate::request::{Request, UpstreamStats};
use crate::types::{Attribute, Envelope, Plan};

/// A builder of requests for tests. The defaults are those of a small plain request.
///
/// Set facts one by one, or pass a whole body to [`body`](Self::body), which scans it as the host does. Everything is granted,
/// unless [`sidecar`](Self::sidecar) sets the grants:
///
/// ```
/// use witgate_plugin::testing::RequestBuilder;
///
/// let request = RequestBuilder::messages()
///     .sidecar("[grants]\nheaders = [\"x-team\"]\n")
///     .header("x-team", "blue")
///     .body(r#"{"model": "claude-opus-5-5", "max_tokens": 9, "messages": [], "tools": [{"name": "Bash"}]}"#)
///     .build();
/// assert_eq!(request.head().max_tokens, Some(9));
/// assert_eq!(request.tools(), ["Bash"]);
/// assert_eq!(request.header("x-team"), Some("blue"));
/// ```
#[derive(Debug, Clone)]
pub struct RequestBuilder(Facts<'static>);

/// A caller for tests.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Caller {
    /// Public id of the virtual key.
    pub key_id: String,
    /// Tenant that owns the key.
    pub tenant: Option<String>,
    /// Person or service that uses the key.
    pub user: Option<String>,
    /// Tier of the key.
    pub tier: Option<String>,
    /// Further labels of the key.
    pub labels: Vec<Attribute>,
}

/// The scan of a body for tests.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Head {
    /// The `model` member.
    pub model: Option<String>,
    /// `true` if the `stream` member is.
    pub stream: bool,
    /// The `max_tokens` member.
    pub max_tokens: Option<u64>,
    /// Number of elements of `messages`.
    pub message_count: u32,
    /// Number of elements of `tools`.
    pub tool_count: u32,
    /// `metadata.user_id`, unescaped.
    pub user_id: Option<String>,
    /// Length of the body in bytes.
    pub body_bytes: u64,
    /// Estimate of the prompt's size in tokens.
    pub prompt_tokens: u64,
    /// Further facts under open names.
    pub attributes: Vec<Attribute>,
}

// === impl RequestBuilder ===

impl RequestBuilder {
    /// Starts a `POST /v1/messages` for `claude-opus-5-5` with one message.
    #[must_use]
    pub fn messages() -> Self {
        Self(Facts {
            id: "req_test".to_owned(),
            endpoint: "messages".to_owned(),
            method: "POST".to_owned(),
            path: "/v1/messages".to_owned(),
            caller: Caller {
                key_id: "test".to_owned(),
                ..Caller::default()
            },
            head: Head {
                model: Some("claude-opus-5-5".to_owned()),
                max_tokens: Some(1024),
                message_count: 1,
                body_bytes: 100,
                prompt_tokens: 10,
                ..Head::default()
            },
            ..Facts::default()
        })
    }

    /// Sets the operation and the path, for example `count-tokens` and `/v1/messages/count_tokens`.
    #[must_use]
    pub fn endpoint(mut self, endpoint: &str, path: &str) -> Self {
        endpoint.clone_into(&mut self.0.endpoint);
        path.clone_into(&mut self.0.path);
        self
    }

    /// Sets the HTTP method, in uppercase.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.0.method);
        self
    }

    /// Sets the id.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.0.id);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.0
            .headers
            .push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Changes the caller in place.
    #[must_use]
    pub fn caller(mut self, change: impl FnOnce(&mut Caller)) -> Self {
        change(&mut self.0.caller);
        self
    }

    /// Changes the host's scan of the body in place.
    #[must_use]
    pub fn head(mut self, change: impl FnOnce(&mut Head)) -> Self {
        change(&mut self.0.head);
        self
    }

    /// Sets the `model` member.
    #[must_use]
    pub fn model(self, model: &str) -> Self {
        self.head(|head| head.model = Some(model.to_owned()))
    }

    /// Sets the host's estimate of the prompt's size.
    #[must_use]
    pub fn prompt_tokens(self, tokens: u64) -> Self {
        self.head(|head| head.prompt_tokens = tokens)
    }

    /// Sets the names of the declared tools.
    #[must_use]
    pub fn tools(mut self, names: &[&str]) -> Self {
        self.0.tools = names.iter().map(|name| (*name).to_owned()).collect();
        self.0.head.tool_count = u32::try_from(names.len()).unwrap_or(u32::MAX);
        self
    }

    /// Sets the raw JSON text of a top-level member.
    #[must_use]
    pub fn member(mut self, name: &str, json: &str) -> Self {
        self.0.members.retain(|(known, _)| known != name);
        self.0.members.push((name.to_owned(), json.to_owned()));
        self
    }

    /// Sets the bytes of the body. If they are a JSON object, this also sets head, tools and members as the host's scan
    /// does; later calls override them. Other bytes set only the length, since the host refuses such requests.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        let facts = &mut self.0;
        facts.body = body.into();
        match Scan::of(&facts.body) {
            Some(scan) => {
                facts.head = scan.head;
                facts.tools = scan.tools;
                facts.members = scan.members;
            }
            None => facts.head.body_bytes = u64::try_from(facts.body.len()).unwrap_or(u64::MAX),
        }
        self
    }

    /// Grants what a sidecar grants and no more: `.sidecar(include_str!("../NAME.toml"))`. Reading anything else panics with
    /// the line to add, where a gateway reports a fault. `witgate plugin check` checks the granted imports (`kv`, `metrics`
    /// and `clock`).
    ///
    /// # Panics
    ///
    /// Panics if `[grants]` can't be read. `witgate plugin check` reports all other problems of a sidecar.
    #[must_use]
    pub fn sidecar(mut self, text: &str) -> Self {
        self.0.grants = Grants::of_sidecar(text);
        self
    }

    /// Sets the entries of a table, as `[tables.NAME]` of a sidecar declares it. A table that is declared and not set here is empty.
    #[must_use]
    pub fn table(mut self, name: &str, entries: &[(&str, &str)]) -> Self {
        self.0.set_table(name, entries);
        self
    }

    /// Sets the context that the envelope hooks found out, for the hooks after them.
    #[must_use]
    pub fn context(mut self, envelope: Envelope) -> Self {
        self.0.context = envelope;
        self
    }

    /// Adds an upstream of the host, for route hooks.
    #[must_use]
    pub fn upstream(mut self, name: &str, stats: UpstreamStats) -> Self {
        self.0.upstreams.push((name.to_owned(), stats, Vec::new()));
        self
    }

    /// Adds a further fact to the last upstream.
    #[must_use]
    pub fn upstream_attribute(mut self, name: &str, value: &str) -> Self {
        if let Some((_, _, attributes)) = self.0.upstreams.last_mut() {
            attributes.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Sets the plan, for budget hooks.
    #[must_use]
    pub fn planned(mut self, plan: Plan) -> Self {
        self.0.plan = Some(plan);
        self
    }

    /// Builds the request.
    #[must_use]
    pub fn build(self) -> Request<'static> {
        Request(self.0)
    }
}
