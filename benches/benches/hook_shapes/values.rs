//! What a route and an audit call carry for a 2 KB request of Claude Code.

use std::sync::Arc;

use crate::host::generated::witgate::shapes::types::{
    Basics, Caller, Endpoint, Envelope, Estimate, Field, Head, Receipt, UpstreamStats, Value,
};

pub(crate) struct Facts {
    pub(crate) caller: Caller,
    pub(crate) head: Head,
    pub(crate) envelope: Envelope,
    pub(crate) estimate: Estimate,
    pub(crate) upstreams: Vec<UpstreamStats>,
    pub(crate) basics: Basics,
    pub(crate) text: Arc<str>,
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn pairs<const N: usize>(list: [(&str, &str); N]) -> Vec<(String, String)> {
    list.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

// === impl Facts ===

impl Facts {
    pub(crate) fn typical() -> Self {
        let stats = |name: &str| UpstreamStats {
            name: name.to_owned(),
            in_flight: 3,
            requests: 1_000,
            errors: 1,
            attributes: Vec::new(),
        };
        Self {
            caller: Caller {
                key_id: "key_ann_laptop".to_owned(),
                tenant: some("acme"),
                user: some("someone@acme.example"),
                tier: some("pro"),
                labels: pairs([("team", "search")]),
            },
            head: Head {
                model: some("claude-sonnet-5-5"),
                stream: true,
                max_tokens: Some(32_000),
                message_count: 3,
                tool_count: 17,
                user_id: some("user_5b7c_account_9f0c6b1e_session_7f5e4b6a"),
                body_bytes: 2_048,
                prompt_tokens: 512,
                attributes: Vec::new(),
            },
            envelope: Envelope {
                correlation_id: some("req_01JD3Z8T5K"),
                tenant: some("acme"),
                user: some("someone@acme.example"),
                session: some("9f0c6b1e-7f5e-4b6a-a1c6-0d8a5f0f2f10"),
                metadata: pairs([
                    ("team", "search"),
                    ("stage", "production"),
                    ("feature", "chat"),
                ]),
                response_headers: pairs([("x-vmx-correlation-id", "req_01JD3Z8T5K")]),
                attributes: pairs([("request-class", "main"), ("client.address", "10.0.0.7")]),
                ..Self::silent()
            },
            estimate: Estimate {
                prompt_tokens: 512,
                output_tokens: 4_096,
                cost_picousd: Some(21_504_000_000),
            },
            upstreams: ["anthropic", "bedrock", "default"].map(stats).to_vec(),
            basics: Basics {
                endpoint: Endpoint::Messages,
                model: some("claude-sonnet-5-5"),
                tier: some("pro"),
                stream: true,
                max_tokens: Some(32_000),
                prompt_tokens: 512,
                message_count: 3,
                tool_count: 17,
            },
            text: "someone@acme.example".into(),
        }
    }

    /// Returns facts in which everything that can be empty is.
    pub(crate) fn empty() -> Self {
        let typical = Self::typical();
        Self {
            caller: Caller {
                key_id: String::new(),
                tenant: some(""),
                user: some(""),
                tier: some(""),
                labels: Vec::new(),
            },
            head: Head {
                model: some(""),
                user_id: some(""),
                ..typical.head
            },
            envelope: Envelope {
                correlation_id: some(""),
                user: some(""),
                session: some(""),
                ..Self::silent()
            },
            upstreams: Vec::new(),
            ..typical
        }
    }

    fn silent() -> Envelope {
        Envelope {
            correlation_id: None,
            resource: None,
            tenant: None,
            user: None,
            session: None,
            agent: None,
            metadata: Vec::new(),
            timeout_ms: None,
            secondary_index: None,
            edits: Vec::new(),
            response_headers: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// Returns the facts without what makes the guest plan.
    pub(crate) fn without_tenant() -> Self {
        let mut facts = Self::typical();
        facts.envelope.tenant = None;
        facts
    }
}

/// Returns receipts as the gateway writes them: 25 fields, half of them texts.
pub(crate) fn receipts(count: usize) -> Vec<Receipt> {
    let field = |place: i64| Field {
        name: format!("usage.field_{place:02}"),
        value: match place % 2 {
            0 => Value::Text("someone@acme.example".to_owned()),
            _ => Value::Integer(place),
        },
    };
    let receipt = |number| Receipt {
        id: format!("req_01JD3Z8T{number:02}"),
        fields: (0..25).map(field).collect(),
    };
    (0..count).map(receipt).collect()
}
