//! The sum of what requests hold in memory, and the share of one key.

mod bodies;
mod keys;
mod plugins;

use serde_json::json;

use crate::harness::{
    Answer, Caller, GatewayBuilder, Pause, Request, Response, TestGateway, Upstream, within_timeout,
};

/// A gateway with so much memory for requests, a second tenant, and an upstream that holds its answers.
struct Scene {
    gate: TestGateway,
    upstream: Upstream,
    pause: Pause,
    other: Caller,
}

impl Scene {
    async fn with(limits: &str, more: &str) -> Self {
        let pause = Pause::new();
        let answer = Answer::message("m", "hi", &json!({"input_tokens": 1, "output_tokens": 1}));
        let upstream = Upstream::always(answer.pause_before_head(&pause)).await;
        let gate = GatewayBuilder::bare()
            .upstream("default", &upstream)
            .extra(&format!("[limits]\n{limits}\n{more}"))
            .start()
            .await;
        let other = Caller::admit(&gate, "bob", "initech", "").await;
        Self {
            gate,
            upstream,
            pause,
            other,
        }
    }

    /// A request with a text of so many bytes.
    fn asking(&self, text: usize) -> Request {
        self.gate.messages(&body(text))
    }

    /// The same of the other tenant.
    fn others(&self, text: usize) -> Request {
        self.other.post("/v1/messages", &body(text))
    }

    /// Waits until requests hold so many bytes.
    async fn holds(&self, bytes: u64) {
        within_timeout("the memory to be taken", async {
            while self.gate.gauge("request_memory_bytes").await < bytes {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Waits until the gauges say that nothing is held any more.
    async fn nothing_is_held(&self) {
        within_timeout("the memory to be given back", async {
            while self.gate.gauge("request_memory_bytes").await + self.gate.gauge("in_flight").await
                > 0
            {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

fn body(text: usize) -> serde_json::Value {
    json!({
        "model": "claude-haiku-4-5",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "x".repeat(text)}],
    })
}

/// A refusal that says when to come back, and that it is worth it.
fn shed(response: &Response, status: u16) {
    assert_eq!(response.status, status, "{}", response.text());
    assert_eq!(response.headers.get("retry-after"), Some("1"), "soon again");
    assert_eq!(
        response.headers.get("x-should-retry"),
        Some("true"),
        "worth it"
    );
}
