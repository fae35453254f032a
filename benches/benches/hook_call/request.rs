//! A request for the benches.

use std::borrow::Cow;

use witgate_runtime::{Caller, Head, Request};

pub(crate) struct Typical(Caller);

// === impl Typical ===

impl Default for Typical {
    fn default() -> Self {
        Self(Caller {
            key_id: "key-1".to_owned(),
            tenant: Some("acme".to_owned()),
            ..Caller::default()
        })
    }
}

impl Request for Typical {
    fn id(&self) -> &str {
        "01JD3Z8T5K"
    }
    fn endpoint(&self) -> &str {
        "messages"
    }
    fn method(&self) -> &str {
        "POST"
    }
    fn path(&self) -> &str {
        "/v1/messages?beta=true"
    }
    fn header(&self, _: &str) -> Option<&str> {
        None
    }
    fn headers(&self, _: &str) -> Vec<(String, String)> {
        Vec::new()
    }
    fn caller(&self) -> &Caller {
        &self.0
    }
    fn head(&self) -> Head {
        Head {
            model: Some("claude-sonnet-4-5".to_owned()),
            stream: true,
            max_tokens: Some(32_000),
            message_count: 12,
            tool_count: 20,
            body_bytes: 200_000,
            prompt_tokens: 50_000,
        }
    }
    fn model(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("claude-sonnet-4-5"))
    }
    fn user_id(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn tools(&self) -> Vec<String> {
        Vec::new()
    }
    fn member(&self, _: &str) -> Option<&str> {
        None
    }
    fn body(&self) -> &[u8] {
        b"{}"
    }
}
