//! Pages of lists, with `limit`, `after_id` and `before_id` of a query.

use serde_json::{Value, json};

use super::error::ApiError;

/// Default size of a page.
const PAGE: usize = 20;
/// Maximum size of a page.
const MAX_PAGE: usize = 1_000;

/// Returns a page of `items`. `place` finds the item with an id, for the cursor of this name.
///
/// # Errors
///
/// Returns a 400 for a limit outside 1..=1000, and the error of `place` for a cursor that names no item.
pub(super) fn page<T>(
    query: &str,
    items: &[T],
    place: impl Fn(&str, &str) -> Result<usize, ApiError>,
    id: impl Fn(&T) -> &str,
    show: impl Fn(&T) -> Value,
) -> Result<Value, ApiError> {
    let limit = limit(query)?;
    let cursor = |name| {
        let id = parameter(query, name);
        id.map(|id| place(name, id)).transpose()
    };
    let start = cursor("after_id")?.map_or(0, |place| place + 1);
    let before = cursor("before_id")?;
    let end = before.unwrap_or(items.len());
    let window = items.get(start..end).unwrap_or_default();
    // With `before_id` the page ends just before that item.
    let page = match before {
        Some(_) => window.get(window.len().saturating_sub(limit)..),
        None => window.get(..limit.min(window.len())),
    }
    .unwrap_or_default();
    Ok(json!({
        "data": page.iter().map(show).collect::<Vec<_>>(),
        "has_more": page.len() < window.len(),
        "first_id": page.first().map(&id),
        "last_id": page.last().map(&id),
    }))
}

/// Returns the `limit` of a query for a list.
///
/// # Errors
///
/// Returns a 400 if it is not within 1..=1000.
fn limit(query: &str) -> Result<usize, ApiError> {
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

/// Returns the value of a query parameter without decoding, or `None`.
fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}
