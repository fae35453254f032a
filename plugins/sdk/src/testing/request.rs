//! Made-up requests.

use super::grants::{Body, Grants};
use super::scan::Scan;
use crate::Request;
use crate::types::{Attribute, Caller, Head};

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
/// assert_eq!(request.header("x-team").as_deref(), Some("blue"));
/// ```
#[derive(Debug, Clone)]
pub struct RequestBuilder(Fake);

/// A made-up request.
#[derive(Clone, Debug)]
pub(crate) struct Fake {
    id: String,
    endpoint: String,
    method: String,
    path: String,
    headers: Vec<Attribute>,
    caller: Caller,
    head: Head,
    tools: Vec<String>,
    members: Vec<Attribute>,
    body: Vec<u8>,
    grants: Grants,
}

// === impl RequestBuilder ===

impl RequestBuilder {
    /// Starts a `POST /v1/messages` for `claude-opus-5-5` with one message.
    #[must_use]
    pub fn messages() -> Self {
        Self(Fake {
            id: "req_test".to_owned(),
            endpoint: "messages".to_owned(),
            method: "POST".to_owned(),
            path: "/v1/messages".to_owned(),
            headers: Vec::new(),
            caller: Caller {
                key_id: "test".to_owned(),
                tenant: None,
                user: None,
                tier: None,
                labels: Vec::new(),
            },
            head: Head {
                model: Some("claude-opus-5-5".to_owned()),
                stream: false,
                max_tokens: Some(1024),
                message_count: 1,
                tool_count: 0,
                user_id: None,
                body_bytes: 100,
                prompt_tokens: 10,
                attributes: Vec::new(),
            },
            tools: Vec::new(),
            members: Vec::new(),
            body: Vec::new(),
            grants: Grants::All,
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
        let fake = &mut self.0;
        fake.body = body.into();
        match Scan::of(&fake.body) {
            Some(scan) => {
                fake.head = scan.head;
                fake.tools = scan.tools;
                fake.members = scan.members;
            }
            None => fake.head.body_bytes = u64::try_from(fake.body.len()).unwrap_or(u64::MAX),
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

    /// Builds the request.
    #[must_use]
    pub fn build(self) -> Request<'static> {
        Request::from(self.0)
    }
}

// === impl Fake ===

impl Fake {
    pub(crate) fn id(&self) -> String {
        self.id.clone()
    }

    pub(crate) fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    pub(crate) fn method(&self) -> String {
        self.method.clone()
    }

    pub(crate) fn path(&self) -> String {
        self.path.clone()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.grants.header(name);
        let name = name.to_ascii_lowercase();
        crate::types::attribute(&self.headers, &name).map(str::to_owned)
    }

    pub(crate) fn headers(&self, prefix: &str) -> Vec<Attribute> {
        self.grants.headers(prefix);
        let named = |(name, _): &&Attribute| name.starts_with(prefix);
        self.headers.iter().filter(named).cloned().collect()
    }

    pub(crate) fn caller(&self) -> Caller {
        self.caller.clone()
    }

    pub(crate) fn head(&self) -> Head {
        self.grants.body("head", Body::Head);
        self.head.clone()
    }

    pub(crate) fn tools(&self) -> Vec<String> {
        self.grants.body("tools", Body::Head);
        self.tools.clone()
    }

    pub(crate) fn member(&self, name: &str) -> Option<String> {
        self.grants.body("member", Body::Read);
        crate::types::attribute(&self.members, name).map(str::to_owned)
    }

    pub(crate) fn body_read(&self, offset: u64, len: u32) -> Vec<u8> {
        self.grants.body("body-read", Body::Read);
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.body.get(offset..));
        let bytes = rest.unwrap_or_default().iter().copied();
        bytes
            .take(usize::try_from(len).unwrap_or(usize::MAX))
            .collect()
    }
}
