//! Message batches: processed immediately, and reported as ended immediately or after the time that `x-standin: batch-ms=N`
//! asks for.

use std::time::Instant;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::StandIn;
use super::ask::Ask;
use super::clock::Moment;
use super::error::ApiError;
use super::page::page;
use super::receive::Request;
use super::reply::Reply;

/// Maximum number of batches; the oldest are dropped first.
const MAX_BATCHES: usize = 1_000;
/// Lifetime of a batch in seconds, as in the API.
const LIFETIME: u64 = 24 * 60 * 60;

/// The batches, oldest first.
#[derive(Debug, Default)]
pub(super) struct Batches {
    kept: Mutex<Vec<Batch>>,
}

#[derive(Debug)]
struct Batch {
    id: String,
    created: Moment,
    ends: Instant,
    canceled: Option<Moment>,
    results: Vec<Value>,
}

// === impl Batches ===

impl Batches {
    /// Creates a batch from the requests in the body.
    ///
    /// # Errors
    ///
    /// Returns a 400 for a body without a list of requests.
    pub(super) fn create(&self, app: &StandIn, request: &Request) -> Result<Value, ApiError> {
        let body: Value = serde_json::from_slice(&request.body).map_err(ApiError::not_json)?;
        let requests = body
            .get("requests")
            .and_then(Value::as_array)
            .filter(|requests| !requests.is_empty())
            .ok_or_else(|| {
                ApiError::invalid("requests: Input should be a list with at least 1 item")
            })?;
        let batch = Batch {
            id: app.ids.batch(),
            created: Moment::now(),
            ends: Instant::now() + request.scenario.batch,
            canceled: None,
            results: requests
                .iter()
                .map(|asked| answered(app, request, asked))
                .collect(),
        };
        let shown = batch.shown();
        let mut kept = self.kept.lock();
        if kept.len() >= MAX_BATCHES {
            kept.remove(0);
        }
        kept.push(batch);
        Ok(shown)
    }

    /// Returns a page of batches, newest first.
    ///
    /// # Errors
    ///
    /// Returns a 400 for a limit outside 1..=1000, and a 404 for a cursor that names no batch.
    pub(super) fn list(&self, query: &str) -> Result<Value, ApiError> {
        let kept = self.kept.lock();
        let newest: Vec<&Batch> = kept.iter().rev().collect();
        let place = |_: &str, id: &str| {
            let place = newest.iter().position(|batch| batch.id == id);
            place.ok_or_else(|| ApiError::of_status(404))
        };
        page(
            query,
            &newest,
            place,
            |batch| &batch.id,
            |batch| batch.shown(),
        )
    }

    /// Returns a batch.
    ///
    /// # Errors
    ///
    /// Returns a 404 for an unknown id, as the methods below do.
    pub(super) fn get(&self, id: &str) -> Result<Value, ApiError> {
        self.with(id, |batch| Ok(batch.shown()))
    }

    /// Cancels a batch that has not ended, with all of its requests.
    pub(super) fn cancel(&self, id: &str) -> Result<Value, ApiError> {
        self.with(id, |batch| {
            if !batch.has_ended() {
                batch.ends = Instant::now();
                batch.canceled = Some(Moment::now());
                for result in &mut batch.results {
                    if let Some(result) = result.get_mut("result") {
                        *result = json!({"type": "canceled"});
                    }
                }
            }
            Ok(batch.shown())
        })
    }

    /// Deletes a batch that has ended.
    pub(super) fn delete(&self, id: &str) -> Result<Value, ApiError> {
        self.with(id, |batch| batch.check_ended())?;
        self.kept.lock().retain(|batch| batch.id != id);
        Ok(json!({"id": id, "type": "message_batch_deleted"}))
    }

    /// Returns the results, one on each line.
    pub(super) fn results(&self, id: &str) -> Result<String, ApiError> {
        self.with(id, |batch| {
            batch.check_ended()?;
            let lines = batch.results.iter().map(|result| format!("{result}\n"));
            Ok(lines.collect())
        })
    }

    fn with<T>(
        &self,
        id: &str,
        f: impl FnOnce(&mut Batch) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut kept = self.kept.lock();
        match kept.iter_mut().find(|batch| batch.id == id) {
            Some(batch) => f(batch),
            None => Err(ApiError::of_status(404)),
        }
    }
}

/// Returns the result of one request.
fn answered(app: &StandIn, request: &Request, asked: &Value) -> Value {
    let params = asked.get("params").cloned().unwrap_or_default();
    let result = match Ask::parse(params.to_string().as_bytes()) {
        Ok(ask) => {
            let reply = Reply::compose(&ask, &request.scenario, &app.ids, &app.cache);
            let mut message = reply.message();
            if let Some(usage) = message.get_mut("usage").and_then(Value::as_object_mut) {
                usage.insert("service_tier".into(), "batch".into());
            }
            json!({"type": "succeeded", "message": message})
        }
        Err(error) => json!({"type": "errored", "error": error.body(None)}),
    };
    json!({"custom_id": asked.get("custom_id"), "result": result})
}

// === impl Batch ===

impl Batch {
    fn has_ended(&self) -> bool {
        self.ends <= Instant::now()
    }

    fn check_ended(&self) -> Result<(), ApiError> {
        if self.has_ended() {
            Ok(())
        } else {
            Err(ApiError::invalid("The batch has not ended yet."))
        }
    }

    fn shown(&self) -> Value {
        let ended = self.has_ended();
        let count = |kind: &str| {
            let of = |result: &&Value| {
                let result = result.get("result").and_then(|result| result.get("type"));
                ended && result.is_some_and(|it| it == kind)
            };
            self.results.iter().filter(of).count()
        };
        let ended_at = ended.then(|| Moment::now().rfc3339());
        json!({
            "id": self.id, "type": "message_batch",
            "processing_status": if ended { "ended" } else { "in_progress" },
            "request_counts": {
                "processing": if ended { 0 } else { self.results.len() },
                "succeeded": count("succeeded"), "errored": count("errored"),
                "canceled": count("canceled"), "expired": 0,
            },
            "created_at": self.created.rfc3339(),
            "expires_at": self.created.after(LIFETIME).rfc3339(),
            "ended_at": ended_at, "archived_at": null,
            "cancel_initiated_at": self.canceled.map(Moment::rfc3339),
            "results_url": ended.then(|| format!("/v1/messages/batches/{}/results", self.id)),
        })
    }
}
