//! A request for the benches.

use witgate_runtime::{Caller, Head, Request};

pub(crate) struct Typical;

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
    fn caller(&self) -> Caller {
        Caller {
            key_id: "key-1".to_owned(),
            tenant: Some("acme".to_owned()),
            user: None,
            tier: None,
            labels: Vec::new(),
        }
    }
    fn head(&self) -> Head {
        Head {
            model: Some("claude-sonnet-4-5".to_owned()),
            stream: true,
            max_tokens: Some(32_000),
            message_count: 12,
            tool_count: 20,
            user_id: None,
            body_bytes: 200_000,
            prompt_tokens: 50_000,
            attributes: Vec::new(),
        }
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
