//! The request as plugins may see it: everything but the credentials.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_runtime as contract;
use witgate_runtime::Request;

use crate::headers::is_credential;
use crate::keys::Caller;

/// A received request, lent to plugins call by call.
pub(crate) struct View {
    pub(crate) id: Arc<str>,
    pub(crate) endpoint: Endpoint,
    pub(crate) method: http::Method,
    pub(crate) version: http::Version,
    pub(crate) path: String,
    /// The client's headers. They are a copy, because the connection keeps its own to frame the answer by.
    pub(crate) headers: HeaderMap,
    pub(crate) caller: Arc<Caller>,
    /// The scan of the body; none for a request without one.
    pub(crate) head: Option<Head>,
    /// The body as it was sent, where that was compressed; the scan is of what it decodes to.
    pub(crate) sent: Option<Bytes>,
}

// === impl View ===

impl Request for View {
    fn id(&self) -> &str {
        &self.id
    }

    fn endpoint(&self) -> &str {
        self.endpoint.code()
    }

    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn header(&self, name: &str) -> Option<&str> {
        if is_credential(name) {
            None
        } else {
            self.headers.get(name).and_then(text)
        }
    }

    fn headers(&self, prefix: &str) -> Vec<(String, String)> {
        self.headers
            .iter()
            .filter(|(name, _)| name.as_str().starts_with(prefix) && !is_credential(name.as_str()))
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?.to_owned())))
            .collect()
    }

    fn caller(&self) -> contract::Caller {
        contract::Caller {
            key_id: self.caller.id.to_string(),
            tenant: self.caller.tenant.clone(),
            user: self.caller.user.clone(),
            tier: self.caller.tier.clone(),
            labels: self.caller.labels.clone(),
        }
    }

    fn head(&self) -> contract::Head {
        let Some(head) = &self.head else {
            return contract::Head::default();
        };
        contract::Head {
            model: head.model().map(Into::into),
            stream: head.stream(),
            max_tokens: head.max_tokens(),
            message_count: head.message_count(),
            tool_count: head.tool_count(),
            user_id: head.user_id().map(Into::into),
            body_bytes: head.body().len() as u64,
            prompt_tokens: head.prompt_tokens(),
            attributes: Vec::new(),
        }
    }

    fn tools(&self) -> Vec<String> {
        self.head
            .iter()
            .flat_map(Head::tools)
            .map(Into::into)
            .collect()
    }

    fn member(&self, name: &str) -> Option<&str> {
        self.head.as_ref()?.member(name)
    }

    fn body(&self) -> &[u8] {
        self.head.as_ref().map_or(&[], |head| head.body())
    }
}

/// A header value as text, if it is.
fn text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}
