//! The stand-in for the API behind the gateway, which remembers what it served.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::harness::{Answer, Events, Recorded, Upstream};

/// Haiku 4.5, in pico-USD a token.
pub const INPUT: i64 = 1_000_000;
pub const OUTPUT: i64 = 5_000_000;

/// Tokens of the prompt of every answer.
pub const PROMPT: i64 = 100;

/// Output tokens of answers that are no streams, and of each request of a batch.
pub const SHORT: i64 = 7;

/// The cost of a batch, at half the price.
pub const BATCH: i64 = (PROMPT * INPUT + SHORT * OUTPUT) / 2;

const MODEL: &str = "claude-haiku-4-5";

/// Bytes of a stream in one write.
const PIECE: usize = 2_000;

/// The time between two writes of a stream, so that many run when the gateway is killed.
const PACE: Duration = Duration::from_millis(2);

/// The stand-in's memory.
#[derive(Clone, Default)]
pub struct Desk(Arc<State>);

#[derive(Default)]
struct State {
    /// The answers to requests with each tag.
    served: Mutex<HashMap<String, Vec<Serving>>>,
    /// The number of files and batches so far.
    made: AtomicUsize,
    /// True once every batch has ended.
    is_idle: AtomicBool,
}

/// An answer that is being served, or was.
struct Serving {
    sent: Arc<AtomicUsize>,
    /// Bytes before the first token.
    before: usize,
    /// Bytes of a token, framing included.
    each: usize,
    tokens: i64,
}

// === impl Desk ===

impl Desk {
    pub async fn open() -> (Self, Upstream) {
        let desk = Self::default();
        let script = desk.clone();
        let upstream = Upstream::start_with(move |request| script.answer(request)).await;
        (desk, upstream)
    }

    /// Lets every batch end, or only those that end at once.
    pub fn end_batches(&self, all: bool) {
        self.0.is_idle.store(all, SeqCst);
    }

    /// The cost of what was served to requests with a tag.
    pub fn served(&self, tag: &str) -> i64 {
        let served = self.0.served.lock();
        served
            .get(tag)
            .map_or(0, |servings| servings.iter().map(Serving::cost).sum())
    }

    /// The cost of everything that was served, without batches.
    pub fn served_in_all(&self) -> i64 {
        let served = self.0.served.lock();
        served.values().flatten().map(Serving::cost).sum()
    }

    fn answer(&self, request: &Recorded) -> Answer {
        let (path, _) = request
            .target()
            .split_once('?')
            .unwrap_or((request.target(), ""));
        let parts: Vec<_> = path.trim_start_matches("/v1/").split('/').collect();
        match (request.method(), parts.as_slice()) {
            ("POST", ["messages"]) => self.message(&request.json()),
            ("POST", ["files"]) => {
                let id = format!("file_{}", self.0.made.fetch_add(1, SeqCst));
                Answer::json(200, &[], &file(&id))
            }
            ("GET", ["files", id]) => Answer::json(200, &[], &file(id)),
            ("POST", ["messages", "batches"]) => {
                let id = format!("msgbatch_{}", self.0.made.fetch_add(1, SeqCst));
                Answer::json(200, &[], &batch(&id, false))
            }
            ("GET", ["messages", "batches", id]) => {
                Answer::json(200, &[], &batch(id, self.has_ended(id)))
            }
            ("GET", ["messages", "batches", id, "results"]) if self.has_ended(id) => results(),
            _ => Answer::error(404, "not_found_error", "there is no such thing"),
        }
    }

    /// Every other batch ends at once.
    fn has_ended(&self, id: &str) -> bool {
        self.0.is_idle.load(SeqCst) || id.ends_with(['1', '3', '5', '7', '9'])
    }

    fn message(&self, asked: &Value) -> Answer {
        let tag = asked["messages"][0]["content"].as_str().unwrap();
        let mut served = self.0.served.lock();
        let servings = served.entry(tag.to_owned()).or_default();
        if tag.starts_with("fault") || (tag.starts_with("retry") && servings.is_empty()) {
            servings.push(Serving::nothing());
            return Answer::error(529, "overloaded_error", "busy");
        }
        if asked["stream"] == true {
            let tokens = asked["max_tokens"].as_i64().unwrap();
            let (serving, answer) = Serving::stream(tokens);
            servings.push(serving);
            answer
        } else {
            servings.push(Serving {
                sent: Arc::new(AtomicUsize::new(1)),
                before: 0,
                each: 0,
                tokens: SHORT,
            });
            let usage = json!({"input_tokens": PROMPT, "output_tokens": SHORT});
            Answer::message(MODEL, "hi", &usage)
        }
    }
}

// === impl Serving ===

impl Serving {
    fn nothing() -> Self {
        Self {
            sent: Arc::default(),
            before: 0,
            each: 0,
            tokens: 0,
        }
    }

    fn stream(tokens: i64) -> (Self, Answer) {
        let events = |tokens: i64| {
            // Four bytes a token, as the meter estimates them.
            let text = vec!["and "; usize::try_from(tokens).unwrap()];
            let usage = json!({"input_tokens": PROMPT, "output_tokens": 1});
            Events::begin_with_usage(MODEL, usage).text(&text)
        };
        let length = |tokens| events(tokens).to_bytes().len();
        let sent = Arc::new(AtomicUsize::new(0));
        let answer = Answer::sse(&events(tokens).end("end_turn"))
            .in_pieces_of(PIECE)
            .paced(PACE)
            .counted_by(&sent);
        let each = length(2) - length(1);
        let serving = Self {
            sent,
            before: length(1) - each,
            each,
            tokens,
        };
        (serving, answer)
    }

    /// The cost of what was sent, generously: framing counts as tokens.
    fn cost(&self) -> i64 {
        let sent = self.sent.load(SeqCst);
        if self.tokens == 0 || sent == 0 {
            return 0;
        }
        let tokens = match self.each {
            0 => self.tokens,
            each => i64::try_from(sent.saturating_sub(self.before) / each).unwrap() + 1,
        };
        PROMPT * INPUT + tokens.min(self.tokens) * OUTPUT
    }
}

fn file(id: &str) -> Value {
    json!({"id": id, "type": "file", "filename": "a.txt", "size_bytes": 3})
}

fn batch(id: &str, has_ended: bool) -> Value {
    let (word, done) = match has_ended {
        true => ("ended", 1),
        false => ("in_progress", 0),
    };
    json!({
        "id": id, "type": "message_batch", "processing_status": word,
        "request_counts": {"processing": 1 - done, "succeeded": done, "errored": 0, "canceled": 0, "expired": 0},
        "created_at": "2026-11-21T00:00:00Z", "expires_at": "2026-11-22T00:00:00Z", "results_url": null,
    })
}

fn results() -> Answer {
    let usage = json!({"input_tokens": PROMPT, "output_tokens": SHORT, "service_tier": "batch"});
    let message = json!({"id": "msg_1", "model": MODEL, "usage": usage});
    let result = json!({"custom_id": "one", "result": {"type": "succeeded", "message": message}});
    let kind = ("content-type", "application/x-jsonl");
    Answer::bytes(200, &[kind], result.to_string() + "\n")
}
