//! The request that the smoke test lends to plugins.

use crate::contract::{Caller, Head};
use crate::request::Request;

/// The name of everything in the smoke test that has a name.
pub(super) const NAME: &str = "smoke-test";

/// A plain, harmless request.
#[derive(Debug)]
pub(super) struct PlainMessage;

// === impl PlainMessage ===

impl Request for PlainMessage {
    fn id(&self) -> &str {
        NAME
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
            key_id: NAME.to_owned(),
            ..Caller::default()
        }
    }

    fn head(&self) -> Head {
        Head {
            model: Some(NAME.to_owned()),
            max_tokens: Some(1),
            message_count: 1,
            body_bytes: u64::try_from(self.body().len()).unwrap_or(u64::MAX),
            prompt_tokens: 8,
            ..Head::default()
        }
    }

    fn tools(&self) -> Vec<String> {
        Vec::new()
    }

    fn member(&self, name: &str) -> Option<&str> {
        match name {
            "model" => Some("\"smoke-test\""),
            "max_tokens" => Some("1"),
            "messages" => Some(r#"[{"role":"user","content":"hello"}]"#),
            _ => None,
        }
    }

    fn body(&self) -> &[u8] {
        br#"{"model":NAME,"max_tokens":1,"messages":[{"role":"user","content":"hello"}]}"#
    }
}
