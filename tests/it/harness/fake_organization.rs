//! An upstream that keeps files, batches and models as the API does for one organization: for everyone who has its key.

use serde_json::{Value, json};

use super::answer::Answer;
use super::upstream::{Recorded, Upstream};

/// The page size, small enough for tests to walk several pages.
const PAGE: usize = 3;

/// The stored items, newest first.
#[derive(Debug, Default)]
pub struct FakeOrganization {
    files: Vec<Value>,
    batches: Vec<Value>,
    models: Vec<Value>,
    skills: Vec<Value>,
    made: usize,
}

// === impl FakeOrganization ===

impl FakeOrganization {
    /// Creates an organization with these models.
    pub fn with_models(ids: &[&str]) -> Self {
        let model = |id: &&str| json!({"type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z"});
        Self {
            models: ids.iter().map(model).collect(),
            ..Self::default()
        }
    }

    /// Starts an upstream that serves the organization.
    pub async fn start(self) -> Upstream {
        Upstream::start_with(self.script()).await
    }

    /// The script of an upstream.
    pub fn script(mut self) -> impl FnMut(&Recorded) -> Answer + Send + 'static {
        move |request| self.answer(request)
    }

    fn answer(&mut self, request: &Recorded) -> Answer {
        let (path, query) = request
            .target()
            .split_once('?')
            .unwrap_or((request.target(), ""));
        let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
        match (request.method(), parts.as_slice()) {
            ("POST", ["files"]) => {
                self.made += 1;
                let file = json!({"id": format!("file_{}", self.made), "type": "file", "filename": "a.txt",
                                  "size_bytes": request.body.len()});
                self.files.insert(0, file.clone());
                Answer::json(200, &[], &file)
            }
            ("POST", ["messages", "batches"]) => {
                self.made += 1;
                let id = format!("msgbatch_{}", self.made);
                let batch = json!({"id": id, "type": "message_batch", "processing_status": "ended",
                                   "results_url": format!("https://api.example/v1/messages/batches/{id}/results")});
                self.batches.insert(0, batch.clone());
                Answer::json(200, &[], &batch)
            }
            ("POST", ["skills"]) => {
                self.made += 1;
                let skill = json!({"id": format!("skill_{}", self.made), "type": "skill",
                                   "source": {"type": "custom"}});
                self.skills.insert(0, skill.clone());
                Answer::json(200, &[], &skill)
            }
            ("GET", ["skills"]) => {
                let published =
                    json!({"id": "pptx", "type": "skill", "source": {"type": "anthropic"}});
                let data: Vec<&Value> = self.skills.iter().chain([&published]).collect();
                Answer::json(
                    200,
                    &[],
                    &json!({"data": data, "has_more": true, "next_page": "page_2"}),
                )
            }
            ("GET", ["skills", id]) => one(&self.skills, id),
            ("DELETE", ["skills", id]) => {
                self.skills.retain(|skill| skill["id"] != *id);
                Answer::json(200, &[], &json!({"id": id, "type": "skill_deleted"}))
            }
            (_, ["skills", id, "versions", ..]) => Answer::json(
                200,
                &[],
                &json!({"id": "1", "type": "skill_version", "skill_id": id}),
            ),
            ("POST", ["messages", "batches", id, "cancel"]) => one(&self.batches, id),
            ("GET", ["messages", "batches", id, "results"]) => {
                Answer::bytes(200, &[], format!("{{\"custom_id\":\"{id}\"}}\n"))
            }
            ("GET", ["files", id, "content"]) => {
                Answer::bytes(200, &[], format!("content of {id}"))
            }
            ("HEAD", ["files", _, "content"]) => Answer::bytes(200, &[("x-kind", "content")], ""),
            ("GET", ["files"]) => list(&self.files, query),
            ("GET", ["messages", "batches"]) => list(&self.batches, query),
            ("GET", ["models"]) => list(&self.models, query),
            ("GET", ["files", id]) => one(&self.files, id),
            ("GET", ["messages", "batches", id]) => one(&self.batches, id),
            ("GET", ["models", id]) => one(&self.models, id),
            ("DELETE", ["files", id]) => {
                self.files.retain(|file| file["id"] != *id);
                Answer::json(200, &[], &json!({"id": id, "type": "file_deleted"}))
            }
            ("DELETE", ["messages", "batches", id]) => {
                self.batches.retain(|batch| batch["id"] != *id);
                Answer::json(
                    200,
                    &[],
                    &json!({"id": id, "type": "message_batch_deleted"}),
                )
            }
            ("POST", ["messages"]) => {
                self.made += 1;
                Answer::message(
                    "claude-sonnet-5-5",
                    "hi",
                    &json!({"input_tokens": 1, "output_tokens": 1}),
                )
            }
            _ => Answer::error(404, "not_found_error", "the organization has no such thing"),
        }
    }
}

fn one(things: &[Value], id: &str) -> Answer {
    match things.iter().find(|thing| thing["id"] == *id) {
        Some(thing) => Answer::json(200, &[], thing),
        None => Answer::error(404, "not_found_error", "the organization has no such thing"),
    }
}

/// A page, as the API cuts it: behind `after_id`, or up to `before_id`.
fn list(things: &[Value], query: &str) -> Answer {
    let parameter = |name: &str| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    };
    let place = |id: &str| things.iter().position(|thing| thing["id"] == *id);
    let limit = parameter("limit").map_or(20, |limit| limit.parse().expect("a number"));
    let limit = PAGE.min(limit);
    let (page, has_more) = if let Some(id) = parameter("before_id") {
        let end = place(id).expect("a cursor on something");
        (&things[end.saturating_sub(limit)..end], end > limit)
    } else {
        let start =
            parameter("after_id").map_or(0, |id| place(id).expect("a cursor on something") + 1);
        let end = things.len().min(start + limit);
        (&things[start..end], things.len() > end)
    };
    let id = |thing: Option<&Value>| thing.map(|thing| thing["id"].clone());
    let body = json!({"data": page, "has_more": has_more, "first_id": id(page.first()), "last_id": id(page.last())});
    Answer::json(200, &[], &body)
}
