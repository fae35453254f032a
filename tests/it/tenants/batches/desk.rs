//! An upstream that has batches.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::harness::{Answer, Recorded, Upstream, compressed};

pub const PATH: &str = "/v1/messages/batches";

/// Two requests at Haiku 4.5: 1 and 5 USD per million tokens of input and output, half of that in a batch.
pub const COST: i64 = (300 + 5 * 40) * 500_000;

/// An upstream that has batches. All that it makes are in the same state.
#[derive(Clone)]
pub struct Desk {
    batches: Arc<Mutex<Batches>>,
}

struct Batches {
    made: usize,
    state: State,
    coding: Option<&'static str>,
}

/// The batches and their states.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum State {
    Running,
    Ended,
    Canceled,
    Gone,
    Refusing,
}

impl Desk {
    pub async fn open() -> (Self, Upstream) {
        let desk = Self {
            batches: Arc::new(Mutex::new(Batches {
                made: 0,
                state: State::Running,
                coding: None,
            })),
        };
        let script = desk.clone();
        let upstream = Upstream::start_with(move |request| script.answer(request)).await;
        (desk, upstream)
    }

    pub fn set(&self, state: State) {
        self.batches.lock().state = state;
    }

    /// Gives results compressed from now on.
    pub fn compress(&self) {
        self.batches.lock().coding = Some("gzip");
    }

    fn answer(&self, request: &Recorded) -> Answer {
        let mut batches = self.batches.lock();
        let target = request.target();
        let id = target.trim_start_matches(PATH).trim_start_matches('/');
        let unknown = Answer::error(404, "not_found_error", "there is no such batch");
        match (request.method(), batches.state) {
            (_, State::Refusing) => Answer::error(400, "invalid_request_error", "no"),
            ("POST", _) if target == PATH => {
                batches.made += 1;
                let id = format!("msgbatch_{}", batches.made);
                Answer::json(200, &[], &status(&id, State::Running))
            }
            (_, State::Gone) => unknown,
            ("GET", _) if id.ends_with("/results") => results(batches.coding),
            ("POST", _) => Answer::json(
                200,
                &[],
                &status(id.trim_end_matches("/cancel"), State::Running),
            ),
            ("DELETE", _) => Answer::json(
                200,
                &[],
                &json!({"id": id, "type": "message_batch_deleted"}),
            ),
            (_, state) => Answer::json(200, &[], &status(id, state)),
        }
    }
}

fn status(id: &str, state: State) -> Value {
    let (word, succeeded, canceled) = match state {
        State::Ended => ("ended", 2, 0),
        State::Canceled => ("ended", 0, 2),
        _ => ("in_progress", 0, 0),
    };
    json!({
        "id": id, "type": "message_batch", "processing_status": word,
        "request_counts": {"processing": 2 - succeeded - canceled, "succeeded": succeeded, "errored": 0,
                           "canceled": canceled, "expired": 0},
        "created_at": "2026-11-21T00:00:00Z", "expires_at": "2026-11-22T00:00:00Z", "results_url": null,
    })
}

fn results(coding: Option<&str>) -> Answer {
    let line = |id: &str, input: u64, output: u64| {
        let usage =
            json!({"input_tokens": input, "output_tokens": output, "service_tier": "batch"});
        let message = json!({"id": "msg_1", "model": "claude-haiku-4-5", "usage": usage});
        let result = json!({"type": "succeeded", "message": message});
        json!({"custom_id": id, "result": result}).to_string() + "\n"
    };
    let lines = line("one", 100, 30) + &line("two", 200, 10);
    let kind = ("content-type", "application/x-jsonl");
    match coding {
        None => Answer::bytes(200, &[kind], lines),
        Some(coding) => {
            let headers = [kind, ("content-encoding", coding)];
            Answer::bytes(200, &headers, compressed(coding, lines.as_bytes()))
        }
    }
}
