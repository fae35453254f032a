//! The known models, newest first, and their two endpoints.

use serde::Serialize;

use super::clock::Moment;
use super::error::ApiError;
use super::json::to_json;

/// Default size of a page.
const PAGE: usize = 20;
/// Maximum size of a page.
const MAX_PAGE: usize = 1_000;

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

#[derive(Serialize)]
struct Entry {
    r#type: &'static str,
    id: &'static str,
    display_name: &'static str,
    created_at: String,
    max_input_tokens: u64,
    max_tokens: u64,
}

#[derive(Serialize)]
struct Page {
    data: Vec<Entry>,
    has_more: bool,
    first_id: Option<&'static str>,
    last_id: Option<&'static str>,
}

const fn model(
    alias: &'static str,
    id: &'static str,
    name: &'static str,
    context: u64,
    max_output: u64,
    created: u64,
) -> Model {
    Model {
        alias,
        id,
        name,
        context,
        max_output,
        created,
    }
}

const MODELS: &[Model] = &[
    model(
        "claude-fable-5-2",
        "claude-fable-5-2",
        "Claude Fable 5.2",
        1_000_000,
        128_000,
        1_794_182_400,
    ),
    model(
        "claude-mythos-5-2",
        "claude-mythos-5-2",
        "Claude Mythos 5.2",
        1_000_000,
        128_000,
        1_794_182_400,
    ),
    model(
        "claude-haiku-5-5",
        "claude-haiku-5-5",
        "Claude Haiku 5.5",
        1_000_000,
        128_000,
        1_791_331_200,
    ),
    model(
        "claude-fable-5-1",
        "claude-fable-5-1",
        "Claude Fable 5.1",
        1_000_000,
        128_000,
        1_788_220_800,
    ),
    model(
        "claude-mythos-5-1",
        "claude-mythos-5-1",
        "Claude Mythos 5.1",
        1_000_000,
        128_000,
        1_788_220_800,
    ),
    model(
        "claude-opus-5-5",
        "claude-opus-5-5",
        "Claude Opus 5.5",
        1_000_000,
        128_000,
        0,
    ),
    model(
        "claude-sonnet-5-5",
        "claude-sonnet-5-5",
        "Claude Sonnet 5.5",
        1_000_000,
        128_000,
        0,
    ),
    model(
        "claude-fable-5",
        "claude-fable-5",
        "Claude Fable 5",
        1_000_000,
        128_000,
        0,
    ),
    model(
        "claude-mythos-5",
        "claude-mythos-5",
        "Claude Mythos 5",
        1_000_000,
        128_000,
        0,
    ),
    model(
        "claude-opus-5",
        "claude-opus-5",
        "Claude Opus 5",
        1_000_000,
        128_000,
        0,
    ),
    model(
        "claude-sonnet-5",
        "claude-sonnet-5",
        "Claude Sonnet 5",
        1_000_000,
        128_000,
        0,
    ),
    model(
        "claude-opus-4-8",
        "claude-opus-4-8",
        "Claude Opus 4.8",
        1_000_000,
        128_000,
        0,
    ),
    model(
        "claude-opus-4-7",
        "claude-opus-4-7",
        "Claude Opus 4.7",
        1_000_000,
        128_000,
        0,
    ),
    model(
        "claude-opus-4-6",
        "claude-opus-4-6",
        "Claude Opus 4.6",
        200_000,
        128_000,
        0,
    ),
    model(
        "claude-sonnet-4-6",
        "claude-sonnet-4-6",
        "Claude Sonnet 4.6",
        200_000,
        128_000,
        0,
    ),
    model(
        "claude-opus-4-5",
        "claude-opus-4-5-20251101",
        "Claude Opus 4.5",
        200_000,
        64_000,
        1_761_955_200,
    ),
    model(
        "claude-haiku-4-5",
        "claude-haiku-4-5-20251001",
        "Claude Haiku 4.5",
        200_000,
        64_000,
        1_759_276_800,
    ),
    model(
        "claude-sonnet-4-5",
        "claude-sonnet-4-5-20250929",
        "Claude Sonnet 4.5",
        200_000,
        64_000,
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
pub(super) fn get(name: &str) -> Result<String, ApiError> {
    find(name)
        .map(|model| to_json(&model.entry()))
        .ok_or_else(|| ApiError::unknown_model(name))
}

/// Answers `GET /v1/models`, with `limit`, `after_id` and `before_id` of the query.
///
/// # Errors
///
/// Returns a 400 for a limit outside 1..=1000 or a cursor that names no model.
pub(super) fn list(query: &str) -> Result<String, ApiError> {
    let limit = limit(query)?;
    let after = cursor(query, "after_id")?;
    let before = cursor(query, "before_id")?;
    let start = after.map_or(0, |index| index + 1);
    let end = before.unwrap_or(MODELS.len());
    let window = MODELS.get(start..end).unwrap_or_default();
    // With `before_id` the page ends just before that model, so it is counted from the end.
    let page = match before {
        Some(_) => window.get(window.len().saturating_sub(limit)..),
        None => window.get(..limit.min(window.len())),
    }
    .unwrap_or_default();
    Ok(to_json(&Page {
        data: page.iter().map(Model::entry).collect(),
        has_more: page.len() < window.len(),
        first_id: page.first().map(|model| model.id),
        last_id: page.last().map(|model| model.id),
    }))
}

/// Returns the `limit` of a query for a list.
///
/// # Errors
///
/// Returns a 400 if it is not within 1..=1000.
pub(super) fn limit(query: &str) -> Result<usize, ApiError> {
    let Some(text) = parameter(query, "limit") else {
        return Ok(PAGE);
    };
    let number: i64 = text.parse().map_err(|_| {
        ApiError::invalid(
            "limit: Input should be a valid integer, unable to parse string as an integer",
        )
    })?;
    match usize::try_from(number) {
        Ok(limit @ 1..=MAX_PAGE) => Ok(limit),
        Ok(0) | Err(_) => Err(ApiError::invalid(
            "limit: Input should be greater than or equal to 1",
        )),
        Ok(_) => Err(ApiError::invalid(
            "limit: Input should be less than or equal to 1000",
        )),
    }
}

fn cursor(query: &str, name: &str) -> Result<Option<usize>, ApiError> {
    let Some(id) = parameter(query, name) else {
        return Ok(None);
    };
    let found = MODELS
        .iter()
        .position(|model| model.id == id || model.alias == id);
    found
        .map(Some)
        .ok_or_else(|| ApiError::invalid(format!("{name}: no model has the id `{id}`")))
}

/// Returns the value of a query parameter without decoding, or `None`.
pub(super) fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

// === impl Model ===

impl Model {
    fn entry(&self) -> Entry {
        Entry {
            r#type: "model",
            id: self.id,
            display_name: self.name,
            created_at: Moment::at(self.created).rfc3339(),
            max_input_tokens: self.context,
            max_tokens: self.max_output,
        }
    }
}
