//! What the embedder lends to a plugin for the length of one call.

mod plain;

pub use plain::{Body, BodyError, PlainRequest};

use crate::contract::{Caller, Head};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A request as plugins may see it.
///
/// A plugin never holds it: it holds a handle, and each of its questions comes here. Answers are copied into the
/// guest and count against its copy limit. Implementations leave credentials out: whatever [`header`](Self::header)
/// and [`headers`](Self::headers) give is visible to plugins.
pub trait Request: Send + Sync {
    /// The host's id of the request.
    fn id(&self) -> &str;
    /// The operation that is asked for, an open code: `messages`, `count-tokens`, …
    fn endpoint(&self) -> &str;
    /// The method, in capitals.
    fn method(&self) -> &str;
    /// The path and query as received.
    fn path(&self) -> &str;
    /// The first value of a header by its name in any case; none when it is absent, is not text or is a credential.
    fn header(&self, name: &str) -> Option<&str>;
    /// All headers whose lower-case name starts with `prefix`, in order of arrival, credentials left out.
    fn headers(&self, prefix: &str) -> Vec<(String, String)>;
    /// The authenticated caller.
    fn caller(&self) -> Caller;
    /// The tenant that asks, as an opaque number: faults at its requests bench a plugin for it alone. All keys of one
    /// tenant should have the same one. None where callers are not told apart: then they are benched together.
    ///
    /// It is asked for only after a fault. By default it is made of the caller's `tenant`, or else of its `key_id`.
    fn tenant(&self) -> Option<u64> {
        tenant(&self.caller())
    }
    /// The scan of the body.
    fn head(&self) -> Head;
    /// Names of the declared tools, in order.
    fn tools(&self) -> Vec<String>;
    /// The raw JSON text of one top-level member of the body.
    fn member(&self, name: &str) -> Option<&str>;
    /// The body, as it came.
    fn body(&self) -> &[u8];
}

/// A number for the tenant of a caller, or for its key where it has none; none for a caller without either.
fn tenant(caller: &Caller) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    match (&caller.tenant, caller.key_id.as_str()) {
        (Some(tenant), _) => ("tenant", tenant.as_str()).hash(&mut hasher),
        (None, "") => return None,
        (None, key) => ("key", key).hash(&mut hasher),
    }
    Some(hasher.finish())
}

/// The benign request that plugins are rehearsed with at admission.
#[derive(Debug, Default)]
pub(crate) struct Rehearsal;

// === impl Rehearsal ===

impl Request for Rehearsal {
    fn id(&self) -> &str {
        "rehearsal"
    }

    fn endpoint(&self) -> &str {
        "messages"
    }

    fn method(&self) -> &str {
        "POST"
    }

    fn path(&self) -> &str {
        "/v1/messages"
    }

    fn header(&self, name: &str) -> Option<&str> {
        name.eq_ignore_ascii_case("content-type")
            .then_some("application/json")
    }

    fn headers(&self, prefix: &str) -> Vec<(String, String)> {
        let mut all = vec![("content-type".to_owned(), "application/json".to_owned())];
        all.retain(|(name, _)| name.starts_with(prefix));
        all
    }

    fn caller(&self) -> Caller {
        Caller {
            key_id: "rehearsal".to_owned(),
            tenant: None,
            user: None,
            tier: None,
            labels: Vec::new(),
        }
    }

    fn head(&self) -> Head {
        Head {
            model: Some("rehearsal".to_owned()),
            stream: false,
            max_tokens: Some(1),
            message_count: 1,
            tool_count: 0,
            user_id: None,
            body_bytes: u64::try_from(self.body().len()).unwrap_or(u64::MAX),
            prompt_tokens: 8,
            attributes: Vec::new(),
        }
    }

    fn tools(&self) -> Vec<String> {
        Vec::new()
    }

    fn member(&self, name: &str) -> Option<&str> {
        match name {
            "model" => Some("\"rehearsal\""),
            "max_tokens" => Some("1"),
            "messages" => Some(r#"[{"role":"user","content":"hello"}]"#),
            _ => None,
        }
    }

    fn body(&self) -> &[u8] {
        br#"{"model":"rehearsal","max_tokens":1,"messages":[{"role":"user","content":"hello"}]}"#
    }
}
