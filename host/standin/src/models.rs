//! The known models, newest first, and their two endpoints.

use serde_json::{Value, json};

use super::clock::Moment;
use super::error::ApiError;
use super::page::page;

/// A model.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Model {
    /// Name that clients use.
    pub(super) alias: &'static str,
    /// Name of the snapshot, which responses contain; often equal to the alias.
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) context: u64,
    pub(super) max_output: u64,
    /// Seconds since 1970; 0 if the date is unknown, as in the API.
    created: u64,
}

/// Returns a model with a million tokens of context that is named by its alias.
const fn model(alias: &'static str, name: &'static str, created: u64) -> Model {
    Model {
        alias,
        id: alias,
        name,
        context: 1_000_000,
        max_output: 128_000,
        created,
    }
}

/// Returns a model with 200,000 tokens of context and an unknown date.
const fn small(alias: &'static str, name: &'static str) -> Model {
    Model {
        context: 200_000,
        ..model(alias, name, 0)
    }
}

/// Returns a small model whose responses name a snapshot.
const fn snapshot(
    alias: &'static str,
    id: &'static str,
    name: &'static str,
    created: u64,
) -> Model {
    Model {
        id,
        max_output: 64_000,
        created,
        ..small(alias, name)
    }
}

const MODELS: &[Model] = &[
    model("claude-fable-5-2", "Claude Fable 5.2", 1_794_182_400),
    model("claude-mythos-5-2", "Claude Mythos 5.2", 1_794_182_400),
    model("claude-haiku-5-5", "Claude Haiku 5.5", 1_791_331_200),
    model("claude-fable-5-1", "Claude Fable 5.1", 1_788_220_800),
    model("claude-mythos-5-1", "Claude Mythos 5.1", 1_788_220_800),
    model("claude-opus-5-5", "Claude Opus 5.5", 0),
    model("claude-sonnet-5-5", "Claude Sonnet 5.5", 0),
    model("claude-fable-5", "Claude Fable 5", 0),
    model("claude-mythos-5", "Claude Mythos 5", 0),
    model("claude-opus-5", "Claude Opus 5", 0),
    model("claude-sonnet-5", "Claude Sonnet 5", 0),
    model("claude-opus-4-8", "Claude Opus 4.8", 0),
    model("claude-opus-4-7", "Claude Opus 4.7", 0),
    small("claude-opus-4-6", "Claude Opus 4.6"),
    small("claude-sonnet-4-6", "Claude Sonnet 4.6"),
    snapshot(
        "claude-opus-4-5",
        "claude-opus-4-5-20251101",
        "Claude Opus 4.5",
        1_761_955_200,
    ),
    snapshot(
        "claude-haiku-4-5",
        "claude-haiku-4-5-20251001",
        "Claude Haiku 4.5",
        1_759_276_800,
    ),
    snapshot(
        "claude-sonnet-4-5",
        "claude-sonnet-4-5-20250929",
        "Claude Sonnet 4.5",
        1_759_104_000,
    ),
];

/// Returns the model with an alias or id, or `None`.
pub(super) fn find(name: &str) -> Option<&'static Model> {
    MODELS
        .iter()
        .find(|model| model.alias == name || model.id == name)
}

/// Answers `GET /v1/models/{id}`.
///
/// # Errors
///
/// Returns a 404 for an unknown name.
pub(super) fn get(name: &str) -> Result<Value, ApiError> {
    find(name)
        .map(Model::entry)
        .ok_or_else(|| ApiError::unknown_model(name))
}

/// Answers `GET /v1/models`, with `limit`, `after_id` and `before_id` of the query.
///
/// # Errors
///
/// Returns a 400 for a limit outside 1..=1000 or a cursor that names no model.
pub(super) fn list(query: &str) -> Result<Value, ApiError> {
    let place = |cursor: &str, id: &str| {
        MODELS
            .iter()
            .position(|model| model.id == id || model.alias == id)
            .ok_or_else(|| ApiError::invalid(format!("{cursor}: no model has the id `{id}`")))
    };
    page(query, MODELS, place, |model| model.id, Model::entry)
}
// === impl Model ===

impl Model {
    fn entry(&self) -> Value {
        json!({
            "type": "model", "id": self.id, "display_name": self.name,
            "created_at": Moment::at(self.created).rfc3339(),
            "max_input_tokens": self.context, "max_tokens": self.max_output,
        })
    }
}
