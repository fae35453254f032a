//! An upstream that counts each key's requests, says what is left, and refuses honestly.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::json;

use super::secret;
use crate::harness::{Answer, Events, Recorded, Upstream};

/// The upstream, and what it counted.
pub(super) struct Standin {
    pub(super) upstream: Upstream,
    keys: Arc<Mutex<Keys>>,
}

#[derive(Default)]
struct Keys {
    by_name: BTreeMap<String, Key>,
    last: String,
}

/// A key with a limit of requests.
#[derive(Debug, Clone)]
pub(super) struct Key {
    limit: u64,
    /// Requests that it was good for.
    pub(super) used: u64,
    /// Requests that were refused.
    pub(super) refused: u64,
    /// What a refusal says.
    refusal: Refusal,
}

/// The refusal of a key.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    /// A 429 with this `retry-after`, in seconds.
    After(u64),
    /// A 429 that says nothing.
    Bare,
    /// Any other status.
    Status(u16),
}

// === impl Standin ===

impl Standin {
    /// Starts it with keys and their limits.
    pub(super) async fn start(keys: &[(&str, u64)]) -> Self {
        let by_name = keys.iter().map(|(name, limit)| {
            let key = Key {
                limit: *limit,
                used: 0,
                refused: 0,
                refusal: Refusal::After(600),
            };
            ((*name).to_owned(), key)
        });
        let keys = Arc::new(Mutex::new(Keys {
            by_name: by_name.collect(),
            ..Keys::default()
        }));
        let shared = Arc::clone(&keys);
        let upstream = Upstream::start_with(move |request| shared.lock().answer(request)).await;
        Self { upstream, keys }
    }

    /// Returns what was counted of a key.
    pub(super) fn key(&self, name: &str) -> Key {
        self.keys.lock().by_name[name].clone()
    }

    /// Returns the name of the key of the last request.
    pub(super) fn last(&self) -> String {
        self.keys.lock().last.clone()
    }

    /// Changes what a key is good for from now on, and how it is refused after that.
    pub(super) fn limit(&self, name: &str, more: u64, refusal: Refusal) {
        let mut keys = self.keys.lock();
        let key = keys.by_name.get_mut(name).expect("the key");
        key.limit = key.used + more;
        key.refusal = refusal;
    }
}

// === impl Keys ===

impl Keys {
    fn answer(&mut self, request: &Recorded) -> Answer {
        let shown = request.headers.get("x-api-key").unwrap_or_default();
        let found = self
            .by_name
            .iter_mut()
            .find(|(name, _)| shown == secret(name) || shown == format!("{}-2", secret(name)));
        let Some((name, key)) = found else {
            return Answer::error(401, "authentication_error", "invalid x-api-key");
        };
        self.last.clone_from(name);
        if key.used >= key.limit && !shown.ends_with("-2") {
            key.refused += 1;
            let error =
                json!({"type": "error", "error": {"type": "rate_limit_error", "message": "no"}});
            return match key.refusal {
                Refusal::After(seconds) => {
                    let seconds = seconds.to_string();
                    let headers = key.headers();
                    let mut headers: Vec<(&str, &str)> = headers
                        .iter()
                        .map(|(name, value)| (*name, value.as_str()))
                        .collect();
                    headers.push(("retry-after", &seconds));
                    Answer::json(429, &headers, &error)
                }
                Refusal::Bare => Answer::json(429, &[], &error),
                Refusal::Status(status) => Answer::error(status, "api_error", "no"),
            };
        }
        key.used += 1;
        let headers = key.headers();
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let is_stream = request.method() == "POST" && request.json()["stream"] == true;
        if is_stream {
            let events = Events::begin("m")
                .text(&["hello", " there"])
                .end("end_turn");
            return Answer::sse_with(&headers, &events);
        }
        let message = json!({
            "id": "msg_01", "type": "message", "role": "assistant", "model": "m", "content": [],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        });
        Answer::json(200, &headers, &message)
    }
}

// === impl Key ===

impl Key {
    fn headers(&self) -> [(&'static str, String); 3] {
        let left = self.limit.saturating_sub(self.used);
        // Far enough away that nothing comes back during a test.
        let reset = "2999-01-01T00:00:00Z".to_owned();
        [
            ("anthropic-ratelimit-requests-limit", self.limit.to_string()),
            ("anthropic-ratelimit-requests-remaining", left.to_string()),
            ("anthropic-ratelimit-requests-reset", reset),
        ]
    }
}
